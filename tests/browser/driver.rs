//! A headless Chromium that a test drives.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::support::tools::{CHROMEDRIVER, CHROMIUM};

/// A browser with one page. It ends when it is dropped.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `arguments` are Chromium's own.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        // Both leave folders in the one for temporary files.
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut driver = CHROMEDRIVER
            .command()
            .env("TMPDIR", profile.path())
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let port = port(&mut driver);
        let mut all = vec![
            "--headless=new".to_owned(),
            // The tests' own pages are all that is opened, and root has no other way.
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--hide-scrollbars".into(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let wanted = json!({
            "goog:chromeOptions": { "args": all, "binary": CHROMIUM.find() },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let wanted: Capabilities = serde_json::from_value(wanted).expect("an object");
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            let url = format!("http://127.0.0.1:{port}");
            builder.capabilities(wanted).connect(&url).await
        });
        Self {
            client: client.expect("Chromium starts"),
            runtime,
            driver,
            _profile: profile,
        }
    }

    /// Opens a file, at a fragment if one is given.
    pub(crate) fn open(&self, page: &Path, fragment: &str) {
        let url = format!("file://{}{fragment}", page.display());
        // A fragment alone would not load the page anew.
        for url in ["about:blank", &url] {
            let done = self.runtime.block_on(self.client.goto(url));
            done.unwrap_or_else(|e| panic!("{url}: {e}"));
        }
    }

    /// What a function's body returns on the page.
    pub(crate) fn ask(&self, script: &str) -> Value {
        let answer = self
            .runtime
            .block_on(self.client.execute(script, Vec::new()));
        answer.unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        self.runtime.block_on(async {
            let focused = self.client.active_element().await.expect("a focus");
            focused.send_keys(keys).await.expect("keys can be pressed");
        });
    }

    /// What the browser wrote to its console since the last time.
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = self.runtime.block_on(self.client.issue_cmd(Log));
        log.expect("a log").as_array().expect("a list").clone()
    }

    /// What the page looks like, as PNG.
    pub(crate) fn screenshot(&self, width: u32, height: u32) -> Vec<u8> {
        self.runtime.block_on(async {
            self.client
                .set_window_size(width, height)
                .await
                .expect("a size");
            self.client.screenshot().await.expect("a picture")
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session, the driver by itself never.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that the driver chose.
fn port(driver: &mut Child) -> u16 {
    let output = driver.stdout.take().expect("it is piped");
    let mut said = String::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("the driver speaks UTF-8");
        if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().expect("a number");
        }
        said += &line;
    }
    panic!("chromedriver does not say its port: {said}")
}

/// ChromeDriver's own command for what a page wrote to the console.
#[derive(Debug)]
struct Log;

impl WebDriverCompatibleCommand for Log {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (
            http::Method::POST,
            Some(json!({ "type": "browser" }).to_string()),
        )
    }
}
