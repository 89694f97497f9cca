//! A small HTTP server on loopback that can be as wrong as a test needs.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// How many requests of the same method came before.
    pub nth: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The `Content-Length` to claim; `None` claims nothing and ends with the connection.
    pub claimed: Option<u64>,
    /// Stay silent for good after the head and this much of the body; `Some(0)` with `mute` not even a head.
    pub silent_after: Option<usize>,
    /// Say nothing at all.
    pub mute: bool,
    /// Send the body byte by byte with this pause.
    pub drip: Option<Duration>,
    /// Send the head byte by byte with this pause.
    pub drip_head: Option<Duration>,
    /// Repeat the body for ever.
    pub endless: bool,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            claimed: Some(0),
            silent_after: None,
            mute: false,
            drip: None,
            drip_head: None,
            endless: false,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.claimed = Some(body.len() as u64);
        self.body = body.to_vec();
        self
    }

    pub fn mute() -> Self {
        Self {
            mute: true,
            ..Self::new(200)
        }
    }
}

type Respond = dyn Fn(&Request) -> Answer + Send + Sync;

pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(respond: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let respond: Arc<Respond> = Arc::new(respond);
        let thread = {
            let (requests, stop) = (requests.clone(), stop.clone());
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let (requests, stop, respond) =
                        (requests.clone(), stop.clone(), respond.clone());
                    thread::spawn(move || serve(stream.unwrap(), &requests, &stop, &*respond));
                }
            })
        };
        Self {
            port,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests of this method came.
    pub fn count(&self, method: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.method == method)
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// One request per connection. The client may hang up at any time: write errors end it.
fn serve(stream: TcpStream, requests: &Mutex<Vec<Request>>, stop: &AtomicBool, respond: &Respond) {
    let Some(mut request) = read_request(&stream) else {
        return;
    };
    {
        let mut all = requests.lock().unwrap();
        request.nth = all
            .iter()
            .filter(|earlier: &&Request| earlier.method == request.method)
            .count();
        all.push(request.clone());
    }
    let answer = respond(&request);
    let _ = send(&stream, &request, &answer, stop);
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        })
        .collect();
    Some(Request {
        method,
        path,
        headers,
        nth: 0,
    })
}

fn send(
    mut stream: &TcpStream,
    request: &Request,
    answer: &Answer,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let silence = || {
        while !stop.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
    };
    if answer.mute {
        silence();
        return Ok(());
    }
    let mut head = format!(
        "HTTP/1.1 {} Because\r\nConnection: close\r\n",
        answer.status
    );
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(claimed) = answer.claimed {
        head += &format!("Content-Length: {claimed}\r\n");
    }
    head += "\r\n";
    for piece in head
        .as_bytes()
        .chunks(answer.drip_head.map_or(head.len(), |_| 1))
    {
        stream.write_all(piece)?;
        thread::sleep(answer.drip_head.unwrap_or_default());
    }
    if request.method == "HEAD" {
        return Ok(());
    }
    let body = &answer.body[..answer.silent_after.unwrap_or(answer.body.len())];
    match answer.drip {
        Some(pause) => {
            for byte in body {
                stream.write_all(&[*byte])?;
                thread::sleep(pause);
            }
        }
        None => stream.write_all(body)?,
    }
    while answer.endless && !stop.load(Ordering::SeqCst) {
        stream.write_all(&answer.body)?;
    }
    if answer.silent_after.is_some() {
        silence();
    }
    Ok(())
}
