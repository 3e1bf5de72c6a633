//! A way to the database that a test can open and close: forwards connections to the real server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
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
    // Held while nothing listens, so that nobody else gets the port.
    held: Option<TcpSocket>,
    open: Option<watch::Sender<()>>,
    /// Whether what arrives is held back instead of being passed on.
    silent: Arc<AtomicBool>,
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
        Self { url: through.into(), port, server, held: Some(held), open: None, silent: Arc::default() }
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
        tokio::spawn(async move {
            let mut closing = closed.clone();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        tokio::spawn(forward(stream, server.clone(), closed.clone(), Arc::clone(&silent)));
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

async fn forward(mut client: TcpStream, server: String, mut closed: watch::Receiver<()>, silent: Arc<AtomicBool>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let mut copying = std::pin::pin!(copy_bidirectional(&mut client, &mut server));
    loop {
        if silent.load(Ordering::SeqCst) {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => continue,
                _ = closed.changed() => return,
            }
        }
        tokio::select! {
            _ = &mut copying => return,
            () = tokio::time::sleep(LOOK) => {}
            _ = closed.changed() => return,
        }
    }
}
