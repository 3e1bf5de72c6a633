//! The browser: Chromium, driven over WebDriver.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::Element,
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};

/// How long the driver may take to start, and an element to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// `chromedriver`, killed by its id at the end.
pub(crate) struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts it on any free port.
    pub(crate) async fn start() -> std::io::Result<Self> {
        Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        let mut command = Command::new("chromedriver");
        let mut child = command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let log = BufReader::new(child.stdout.take().expect("the log is piped"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    sender.send(port.trim_end_matches('.').parse::<u16>()).ok();
                }
            }
        });
        let port = receiver.recv_timeout(PATIENCE).ok().and_then(Result::ok);
        let port = port.ok_or_else(|| std::io::Error::other("chromedriver says no port"))?;
        Ok(Self { child, port })
    }

    /// A new browser; without script if that is asked for.
    pub(crate) async fn browser(&self, base: &str, has_script: bool) -> Browser {
        let mut options = json!({"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]});
        if !has_script {
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        let capabilities = Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{}", self.port)).await;
        let browser =
            Browser { client: connected.expect("the browser starts"), base: base.replace("127.0.0.1", "localhost") };
        browser.devtools("Browser.grantPermissions", json!({"permissions": ["clipboardSanitizedWrite"]})).await;
        browser
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One browser of one person.
pub(crate) struct Browser {
    pub(crate) client: Client,
    base: String,
}

impl Browser {
    pub(crate) async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.expect("the page loads");
    }

    /// The element, as soon as it is there.
    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("no {css} on {}: {error}", self.text("body").await),
        }
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.expect("it can be clicked");
    }

    /// Types into a field, in the place of what is there.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.expect("it can be emptied");
        field.send_keys(text).await.expect("it takes text");
    }

    /// Types wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("it takes keys");
    }

    /// What a person reads in the element.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.client.find(Locator::Css(css)).await.expect("it is there");
        element.text().await.expect("it has text")
    }

    /// Waits until the page shows these words.
    pub(crate) async fn shows(&self, words: &str) {
        let begun = std::time::Instant::now();
        while begun.elapsed() < PATIENCE {
            let text = self.client.execute("return document.body.innerText", vec![]).await.unwrap_or_default();
            if text.as_str().is_some_and(|text| text.contains(words)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{words:?} is not on {}", self.text("body").await);
    }

    pub(crate) async fn path(&self) -> String {
        let address = self.client.current_url().await.expect("there is a page");
        format!("{}{}", address.path(), address.query().map_or_else(String::new, |query| format!("?{query}")))
    }

    /// Sets width and colours, as a device would.
    pub(crate) async fn be(&self, width: u32, dark: bool) {
        let height = if width < 500 { 760 } else { 900 };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    pub(crate) async fn devtools(&self, method: &'static str, params: Value) {
        self.client.issue_cmd(DevTools { method, params }).await.expect("the browser obeys");
    }

    pub(crate) async fn close(self) {
        self.client.close().await.expect("the browser ends");
    }
}

/// A command of the browser's own protocol.
#[derive(Debug)]
struct DevTools {
    method: &'static str,
    params: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({"cmd": self.method, "params": self.params}).to_string()))
    }
}
