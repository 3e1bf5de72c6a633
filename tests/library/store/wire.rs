//! What passes between a store and PostgreSQL: how many round trips, and which statements.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The client's messages that end what it sends together, and wait for an answer ("Sync", "Query").
const SYNC: u8 = b'S';
const QUERY: u8 = b'Q';
/// The client's message that names a statement by its text ("Parse").
const PARSE: u8 = b'P';

/// A way to the server that counts what passes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire {
    round_trips: Arc<AtomicUsize>,
    statements: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    /// Opens a way to the database at `url`; answers its address as well.
    pub(crate) async fn open(url: &str) -> (Self, String) {
        let mut through = url::Url::parse(url).expect("the address is sound");
        let server = format!("{}:{}", through.host_str().expect("it has a host"), through.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        through.set_host(Some("127.0.0.1")).expect("the host can be set");
        through.set_port(Some(listener.local_addr().expect("it is bound").port())).expect("the port can be set");
        through.query_pairs_mut().append_pair("sslmode", "disable");
        let wire = Self::default();
        let counting = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server answers");
                tokio::spawn(counting.clone().forward(client, server));
            }
        });
        (wire, through.into())
    }

    /// Round trips since this was last asked.
    pub(crate) fn take_round_trips(&self) -> usize {
        self.round_trips.swap(0, Ordering::SeqCst)
    }

    /// The statements that were prepared since this was last asked.
    pub(crate) fn take_statements(&self) -> Vec<String> {
        std::mem::take(&mut *self.statements.lock().expect("no thread panicked"))
    }

    async fn forward(self, client: TcpStream, server: TcpStream) {
        let ((from_client, mut to_client), (mut from_server, to_server)) = (client.into_split(), server.into_split());
        let down = async { while message(&mut from_server, &mut to_client).await.is_some() {} };
        tokio::join!(self.up(from_client, to_server), down);
    }

    /// The client's start-up message has no type; the others have.
    async fn up(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut length = [0; 4];
        if from.read_exact(&mut length).await.is_err() {
            return;
        }
        to.write_all(&length).await.ok();
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        if from.read_exact(&mut rest).await.is_err() || to.write_all(&rest).await.is_err() {
            return;
        }
        // A Sync after nothing else is the ping of the driver's pool when a connection comes back: no request waits
        // for it.
        let mut is_asking = false;
        while let Some((kind, body)) = message(&mut from, &mut to).await {
            if kind == QUERY || kind == SYNC && is_asking {
                self.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            is_asking = kind != QUERY && kind != SYNC;
            if kind == PARSE {
                let text = body.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                let text = String::from_utf8_lossy(text).into_owned();
                self.statements.lock().expect("no thread panicked").push(text);
            }
        }
    }
}

/// Passes one message on; answers its type and its body.
async fn message(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await.ok()?;
    to.write_all(&head).await.ok()?;
    to.write_all(&body).await.ok()?;
    Some((head[0], body))
}
