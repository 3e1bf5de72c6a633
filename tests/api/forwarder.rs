//! A way to the database that a test can open and close: forwards connections to the real server. It can also break a
//! connection off at the worst moment, between a COMMIT and its answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::watch,
};

/// How often a connection looks whether it is to be silent.
const LOOK: Duration = Duration::from_millis(5);

/// A port of this machine that leads to the server, or nowhere.
#[derive(Debug)]
pub(crate) struct Forwarder {
    /// The address of the database through this port.
    pub(crate) url: String,
    port: u16,
    server: String,
    // Held while nothing listens, so that no other process gets the port.
    held: Option<TcpSocket>,
    open: Option<watch::Sender<()>>,
    /// Whether what arrives is held back instead of being passed on.
    silent: Arc<AtomicBool>,
    /// How many of the next commits are not to be answered.
    unanswered: Arc<AtomicUsize>,
}

impl Forwarder {
    /// A closed way to the database at `url`: connections are refused.
    pub(crate) fn closed(url: &str) -> Self {
        let held = bind(0);
        let port = held.local_addr().expect("the socket is bound").port();
        let mut through = url::Url::parse(url).expect("the address is sound");
        let server = format!("{}:{}", through.host_str().expect("it has a host"), through.port().unwrap_or(5432));
        through.set_host(Some("127.0.0.1")).expect("the host can be set");
        through.set_port(Some(port)).expect("the port can be set");
        Self {
            url: through.into(),
            port,
            server,
            held: Some(held),
            open: None,
            silent: Arc::default(),
            unanswered: Arc::default(),
        }
    }

    /// An open way.
    pub(crate) fn opened(url: &str) -> Self {
        let mut forwarder = Self::closed(url);
        forwarder.open();
        forwarder
    }

    /// Forwards from now on.
    pub(crate) fn open(&mut self) {
        let socket = self.held.take().unwrap_or_else(|| bind(self.port));
        let listener = socket.listen(128).expect("the port can be listened on");
        let (open, closed) = watch::channel(());
        let (server, silent) = (self.server.clone(), Arc::clone(&self.silent));
        let unanswered = Arc::clone(&self.unanswered);
        tokio::spawn(async move {
            let mut closing = closed.clone();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        let unanswered = Arc::clone(&unanswered);
                        tokio::spawn(forward(stream, server.clone(), closed.clone(), Arc::clone(&silent), unanswered));
                    }
                    _ = closing.changed() => return,
                }
            }
        });
        self.open = Some(open);
    }

    /// Breaks every connection off, and refuses new ones.
    pub(crate) async fn close(&mut self) {
        let open = self.open.take().expect("it was open");
        // The tasks drop their ends when the sender is gone.
        let gone = open.clone();
        drop(open);
        gone.send(()).ok();
        gone.closed().await;
    }

    /// Keeps every connection and passes nothing on, as a network does that drops packets.
    pub(crate) async fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
        tokio::time::sleep(LOOK * 4).await;
    }

    /// The server executes the next `commits` COMMITs, and each time the connection ends before the answer arrives.
    pub(crate) fn cut_after_commits(&self, commits: usize) {
        self.unanswered.store(commits, Ordering::SeqCst);
    }

    /// How many COMMITs are still to go unanswered.
    pub(crate) fn cuts_left(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    /// Passes on again.
    pub(crate) fn speak(&self) {
        self.silent.store(false, Ordering::SeqCst);
    }
}

fn bind(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_reuseaddr(true).expect("the option can be set");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).expect("the port is free");
    socket
}

async fn forward(
    client: TcpStream,
    server: String,
    mut closed: watch::Receiver<()>,
    silent: Arc<AtomicBool>,
    unanswered: Arc<AtomicUsize>,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let mut copying = std::pin::pin!(exchange(client, server, &unanswered));
    loop {
        if silent.load(Ordering::SeqCst) {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => continue,
                _ = closed.changed() => return,
            }
        }
        tokio::select! {
            () = &mut copying => return,
            () = tokio::time::sleep(LOOK) => {}
            _ = closed.changed() => return,
        }
    }
}

/// Passes on what either side says, until one has ended or a commit is not to be answered.
async fn exchange(client: TcpStream, server: TcpStream, unanswered: &AtomicUsize) {
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let cut = AtomicBool::new(false);
    let questions = pass_questions(from_client, to_server, unanswered, &cut);
    let answers = async {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            // Its first bytes after a COMMIT are the answer to it: the server is done.
            if cut.load(Ordering::SeqCst) || to_client.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = questions => {}
        () = answers => {}
    }
}

async fn pass_questions(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    unanswered: &AtomicUsize,
    cut: &AtomicBool,
) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        // A simple query of its own: `Q`, four bytes of length, the text, a zero.
        let commits = buffer[..count].windows(8).any(|bytes| bytes.ends_with(b"COMMIT\0"));
        let take = |left: usize| left.checked_sub(1);
        if commits && unanswered.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            cut.store(true, Ordering::SeqCst);
        }
        if server.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
