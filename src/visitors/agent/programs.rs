//! Programs that neither `isbot` nor `woothee` know. No other list that is kept for Rust has them: `voight_kampff` ends
//! in 2020, and `iscrawl` answers from a cache that takes texts of one length and place for each other.
//!
//! Browsers begin with `Mozilla/` or `Opera/`, whatever they are. What begins otherwise is a program, unless it is one
//! of the few browsers that never did. So are the agents of native apps (`CFNetwork`, `Dalvik`, `okhttp`): a person who
//! taps a link in an app is sent to a browser or to a view that is one, and the app itself fetches previews.

/// How browsers begin.
const BROWSERS: [&str; 2] = ["Mozilla/", "Opera/"];

/// How browsers begin that never began so.
const OTHER_BROWSERS: [&str; 10] = [
    // https://developers.whatismybrowser.com/useragents/explore/software_name/blackberry-browser/
    "BlackBerry",
    // https://dillo-browser.github.io/
    "Dillo/",
    // http://elinks.or.cz/documentation/html/manual.html, protocol.http.user_agent
    "ELinks",
    // http://links.twibright.com/user_en.html
    "Links (",
    // https://lynx.invisible-island.net/lynx_help/Lynx_users_guide.html
    "Lynx/",
    // https://www.netsurf-browser.org/documentation/
    "NetSurf/",
    // https://developers.whatismybrowser.com/useragents/explore/operating_platform/nokia/
    "Nokia",
    // https://developers.whatismybrowser.com/useragents/explore/operating_platform/sony-ericsson/
    "SonyEricsson",
    // https://developers.whatismybrowser.com/useragents/explore/software_name/uc-browser/
    "UCWEB/",
    // https://w3m.sourceforge.net/MANUAL
    "w3m/",
];

/// What programs contain that begin like browsers, in small letters.
const PATTERNS: [&str; 6] = [
    // Who runs it, as crawlers say: https://developers.google.com/search/docs/crawling-indexing/overview-google-crawlers
    "; +",
    // Bluesky's previews: https://github.com/bluesky-social/social-app/tree/main/bskyweb
    "cardyb/",
    // Previews for publishers: https://iframely.com/docs/about
    "iframely/",
    // Nextcloud's and ownCloud's clients: https://github.com/nextcloud/desktop
    " mirall/",
    // Links in documents and mails: https://learn.microsoft.com/en-us/office/troubleshoot/office-suite-issues/office-checks-links
    "ms-office",
    // Invoke-WebRequest: https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.utility/invoke-webrequest
    "powershell/",
];

/// Whether the agent is a program, given woothee's category for it, which knows phones of before 2010; none if other
/// lists are to say.
pub(super) fn is_program(text: &str, category: Option<&str>) -> Option<bool> {
    let begins = |names: &[&str]| names.iter().any(|name| text.starts_with(name));
    if begins(&BROWSERS) {
        let text = text.to_ascii_lowercase();
        return PATTERNS.iter().any(|pattern| text.contains(pattern)).then_some(true);
    }
    Some(!begins(&OTHER_BROWSERS) && category != Some("mobilephone"))
}

#[cfg(test)]
mod tests {
    use super::super::Traits;

    #[test]
    fn programs_are_counted_apart() {
        for text in [
            "WhatsApp/2.24.20.75 i",
            "WhatsApp/2",
            "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
            "Discourse Forum Onebox v3.2.1",
            "Microsoft Office Existence Discovery",
            "Microsoft Office Word 2014 (16.0.5023) Windows NT 10.0",
            "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
            "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Trident/7.0; Microsoft Outlook 16.0.17928; ms-office)",
            "kube-probe/1.29",
            "GoogleHC/1.0",
            "Blackbox Exporter/0.25.0",
            "Consul Health Check",
            "node",
            "undici",
            "reqwest/0.12",
            "HTTPie/3.2.2",
            "Dart/3.2 (dart:io)",
            "Mozilla/5.0 (Windows NT; Windows NT 10.0; de-DE) WindowsPowerShell/5.1.19041.1",
            "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19044; en-US) PowerShell/7.3.0",
            "Zapier",
            "GitHub-Hookshot/044aadd",
            "github-camo (876de43e)",
            "lychee/0.14.3",
            "Mozilla/5.0 (Linux) mirall/3.13.0",
            "Mozilla/5.0 (compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Iframely/1.3.1",
            "Reminders/1.0 CFNetwork/1490.0.4 Darwin/23.2.0",
            "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)",
            "okhttp/4.12.0",
            "something that no list knows",
            "",
        ] {
            assert!(Traits::of(text).is_bot, "{text}");
        }
    }

    #[test]
    fn browsers_of_any_kind_are_peoples() {
        for text in [
            "Opera/9.80 (Android; Opera Mini/36.2/119.132; U; id) Presto/2.12.423 Version/12.16",
            "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.8.9",
            "w3m/0.5.3+git20230121",
            "Links (2.30; Linux 6.12; GNU C; text)",
            "ELinks/0.17.1.1 (textmode; Linux; 80x24-2)",
            "Dillo/3.1.1",
            "NetSurf/3.11 (Linux)",
            "DoCoMo/2.0 P903i(c100;TB;W24H12)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Slack/4.35.126 Electron/27.1.2",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS]",
        ] {
            assert!(!Traits::of(text).is_bot, "{text}");
        }
    }
}
