//! Agents as they are sent.

use proptest::prelude::*;

use super::*;

type Row = (&'static str, bool, Option<&'static str>, Option<&'static str>, Option<&'static str>);

const PEOPLE: [Row; 10] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
         Safari/537.36",
        false,
        Some("Chrome"),
        Some("Windows 10"),
        Some("pc"),
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/18.5 Mobile/15E148 Safari/604.1",
        false,
        Some("Safari"),
        Some("iOS"),
        Some("smartphone"),
    ),
    (
        "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 \
         Mobile/15E148 Safari/604.1",
        false,
        Some("Safari"),
        Some("iOS"),
        Some("tablet"),
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        false,
        Some("Firefox"),
        Some("Linux"),
        Some("pc"),
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
         Safari/537.36 Edg/142.0.0.0",
        false,
        Some("Edge"),
        Some("Windows 10"),
        Some("pc"),
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
         Safari/605.1.15",
        false,
        Some("Safari"),
        Some("macOS"),
        Some("pc"),
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile \
         Safari/537.36",
        false,
        Some("Chrome"),
        Some("Android"),
        Some("smartphone"),
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        false,
        Some("Chrome"),
        Some("Android"),
        Some("tablet"),
    ),
    (
        "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
         Mobile Safari/537.36",
        false,
        Some("Chrome"),
        Some("Android"),
        Some("smartphone"),
    ),
    (
        "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 \
         Chrome/130.0.0.0 Mobile Safari/537.36",
        false,
        Some("SamsungBrowser"),
        Some("Android"),
        Some("smartphone"),
    ),
];

#[test]
fn people_come_with_browser_system_and_device() {
    for (text, is_bot, browser, os, device) in PEOPLE {
        assert_eq!(Traits::of(text), Traits { is_bot, browser, os, device }, "{text}");
    }
}

#[test]
fn programs_are_known() {
    for text in [
        "curl/8.14.1",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0 A",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Wget/1.25.0",
        "python-requests/2.32.5",
        "Go-http-client/1.1",
        "Java/21.0.1",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
    ] {
        assert!(Traits::of(text).is_bot, "{text}: {:?}", Traits::of(text));
    }
}

#[test]
fn an_agent_is_kept_and_taken_apart_once() {
    let agents = Agents::new();
    let first = agents.get("curl/8.14.1");
    assert!(first.traits.get().is_none(), "nobody has asked yet");
    assert!(first.traits().is_bot);
    let again = agents.get("curl/8.14.1");
    assert!(Arc::ptr_eq(&first, &again) && again.traits.get().is_some());
}

#[test]
fn agents_are_bounded_in_length_and_number() {
    let agents = Agents::new();
    let long = agents.get(&"\u{fc}".repeat(10_000));
    assert_eq!(long.text().len(), LONGEST);
    let odd = agents.get(&format!("x{}", "\u{fc}".repeat(10_000)));
    assert_eq!(odd.text().len(), LONGEST - 1);
    for number in 0..3 * REMEMBERED {
        agents.get(&format!("agent {number}"));
    }
    assert!(agents.0.len() <= REMEMBERED, "{}", agents.0.len());
}

proptest! {
    #[test]
    fn any_text_can_be_taken_apart(text in "\\PC{0,600}") {
        let traits = Traits::of(cut(&text));
        prop_assert!(traits.browser != Some("") && traits.os != Some("UNKNOWN"));
    }
}

#[test]
fn names_stand_in_json_as_they_are() {
    assert!(NAMES.len() > 50);
    for name in NAMES.iter() {
        assert_eq!(serde_json::to_string(name).unwrap(), format!("\"{name}\""));
    }
}
