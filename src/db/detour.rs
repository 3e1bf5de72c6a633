//! The way to a server, and a detour around dead addresses.
//!
//! A name may stand for several addresses. The driver tries the second one only when the system gives up the first,
//! after minutes, and it takes the host for two things: to connect, and to verify the certificate. So if the first
//! address does not answer, the driver connects to a socket of this process, which passes every byte on to the first
//! address that does, and TLS verifies the name as before.

use std::{
    fmt, io,
    net::SocketAddr,
    process,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::copy_bidirectional,
    net::{TcpStream, UnixListener, UnixStream, lookup_host},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// How long an address may take to accept a connection before the next one is tried; the last one has the caller's
/// timeout.
const ACCEPTED_WITHIN: Duration = Duration::from_millis(400);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections to one host are made.
#[derive(Clone)]
pub(super) struct Way {
    options: PgConnectOptions,
    detour: Arc<OnceLock<Detour>>,
}

/// The socket of this process, and the task behind it.
struct Detour {
    folder: String,
    _task: AbortOnDropHandle<()>,
}

impl Way {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, detour: Arc::default() }
    }

    /// The options as configured.
    pub(super) fn configured(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Options of connections.
    pub(super) fn options(&self) -> PgConnectOptions {
        match self.detour.get() {
            Some(detour) => self.options.clone().socket(&detour.folder),
            None => self.options.clone(),
        }
    }

    /// Finds out whether the host accepts connections; answers whether a detour was begun, so that connections are to
    /// be made anew.
    pub(super) async fn find(&self) -> io::Result<bool> {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        if self.options.get_socket().is_some() || host.starts_with('/') {
            return Ok(false);
        }
        self.find_among(&lookup_host((host, port)).await?.collect::<Vec<_>>()).await
    }

    async fn find_among(&self, addresses: &[SocketAddr]) -> io::Result<bool> {
        let reached = dial(addresses).await?;
        if !reached.after_silence || self.detour.get().is_some() {
            return Ok(false);
        }
        let (host, port) = (self.options.get_host().to_owned(), self.options.get_port());
        tracing::warn!(host, "the first address of the database's host does not answer, another one does");
        Ok(self.detour.set(Detour::start(host, port)?).is_ok())
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Way({} port {})", self.options.get_host(), self.options.get_port())
    }
}

/// A connection, and whether an address before it did not answer.
struct Reached {
    stream: TcpStream,
    after_silence: bool,
}

/// Tries each address in turn.
async fn dial(addresses: &[SocketAddr]) -> io::Result<Reached> {
    let (mut after_silence, mut failure) = (false, io::Error::other("the name of its host has no address"));
    for (nth, address) in addresses.iter().enumerate() {
        let is_last = nth + 1 == addresses.len();
        let limit = if is_last { Duration::MAX } else { ACCEPTED_WITHIN };
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(Reached { stream, after_silence }),
            Ok(Err(error)) => failure = error,
            Err(_) => after_silence = true,
        }
    }
    Err(failure)
}

impl Detour {
    /// Its name is abstract: in no file system, and gone with the process.
    fn start(host: String, port: u16) -> io::Result<Self> {
        let folder = format!("\0buoy-{}-{:016x}", process::id(), rand::random::<u64>());
        // As PostgreSQL's clients complete the name of a folder.
        let listener = UnixListener::bind(format!("{folder}/.s.PGSQL.{port}"))?;
        let task = tokio::spawn(async move {
            let (mut connections, last) = (JoinSet::new(), Arc::new(Mutex::new(None)));
            loop {
                match listener.accept().await {
                    Ok((near, _)) => drop(connections.spawn(pass_on(near, host.clone(), port, Arc::clone(&last)))),
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { folder, _task: AbortOnDropHandle::new(task) })
    }
}

/// The address that answered last is tried first.
async fn pass_on(
    mut near: UnixStream,
    host: String,
    port: u16,
    last: Arc<Mutex<Option<SocketAddr>>>,
) -> io::Result<()> {
    let mut addresses: Vec<SocketAddr> = lookup_host((host.as_str(), port)).await?.collect();
    let known = *last.lock().unwrap_or_else(PoisonError::into_inner);
    addresses.sort_by_key(|address| Some(*address) != known);
    let mut far = dial(&addresses).await?.stream;
    *last.lock().unwrap_or_else(PoisonError::into_inner) = far.peer_addr().ok();
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpSocket},
    };

    use sqlx::Connection as _;

    use super::*;

    /// An address that does not answer: its queue of connections is full.
    async fn dead() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(1).unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            filling.push(stream.unwrap());
        }
        (address, listener, filling)
    }

    #[tokio::test]
    async fn a_silent_address_is_passed_by_and_a_refusing_one_needs_no_detour() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (silent, _listener, _filling) = dead().await;
        let alive = alive.local_addr().unwrap();
        for (addresses, after_silence) in
            [(vec![alive], false), (vec![closed, alive], false), (vec![silent, alive], true)]
        {
            let reached = dial(&addresses).await.unwrap();
            assert_eq!((reached.stream.peer_addr().unwrap(), reached.after_silence), (alive, after_silence));
        }
        assert!(dial(&[closed]).await.is_err());
    }

    #[tokio::test]
    async fn a_database_is_reached_by_a_detour() {
        let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names a server");
        let options: PgConnectOptions = url.parse().unwrap();
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        let mut addresses: Vec<SocketAddr> = lookup_host((host, port)).await.unwrap().collect();
        let (silent, _listener, _filling) = dead().await;
        addresses.insert(0, silent);
        let way = Way::new(options);
        assert!(way.find_among(&addresses).await.unwrap());
        let mut database = sqlx::PgConnection::connect_with(&way.options()).await.unwrap();
        let answer: i32 = sqlx::query_scalar("SELECT 6 * 7").fetch_one(&mut database).await.unwrap();
        assert_eq!(answer, 42);
    }

    #[tokio::test]
    async fn a_detour_keeps_the_name_and_passes_bytes_on() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = alive.local_addr().unwrap().port();
        let (silent, _listener, _filling) = dead().await;
        let way = Way::new(PgConnectOptions::new_without_pgpass().host("localhost").port(port));
        let addresses = [silent, alive.local_addr().unwrap()];
        assert!(way.find_among(&addresses).await.unwrap());
        assert!(!way.find_among(&addresses).await.unwrap(), "once is enough");
        let options = way.options();
        assert_eq!(options.get_host(), "localhost");
        let folder = options.get_socket().unwrap().to_str().unwrap().to_owned();
        // The first connection was the probe's.
        drop(alive.accept().await.unwrap());
        drop(alive.accept().await.unwrap());
        let mut near = UnixStream::connect(format!("{folder}/.s.PGSQL.{port}")).await.unwrap();
        let (mut far, _) = alive.accept().await.unwrap();
        near.write_all(b"ping").await.unwrap();
        let mut received = [0; 4];
        far.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"ping");
    }
}
