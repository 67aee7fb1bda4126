//! A server to be reached, or not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Answers whoever connects, and counts them.
pub(super) struct Server {
    port: u16,
    count: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_millis(200)))
                    .unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\nreached");
            }
        });
        Self { port, count }
    }

    pub(super) fn reached(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> [Vec<String>; 2] {
        let words = |words: &str| {
            words
                .replace("PORT", &self.port.to_string())
                .split(' ')
                .map(String::from)
                .collect()
        };
        [
            words("wget -q -O - http://127.0.0.1:PORT/"),
            words("nc -w 20 127.0.0.1 PORT"),
        ]
    }
}
