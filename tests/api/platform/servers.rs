//! Servers beside the one of `TEST_DATABASE_URL`, started by the scripts that know how. They are shared by the tests
//! of this program, and end when it does: they wait for the end of their input.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::LazyLock,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// A script that runs a server, and what it said of its address.
#[derive(Debug)]
struct Helper {
    url: String,
    _child: Child,
    // The server ends when this is closed.
    _input: ChildStdin,
}

impl Helper {
    /// Starts a script of the `scripts` folder, which hands the server's address to its command in `variable`.
    fn start(script: &str, variable: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(format!("{}/scripts/{script}", env!("CARGO_MANIFEST_DIR")));
        command.args(["sh", "-c", &format!("echo \"${variable}\"; exec cat >/dev/null")]);
        prepare(&mut command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the script starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url).expect("the script tells the address");
        assert!(url.starts_with("postgres://"), "{script} started no server: {url}");
        Self { url: url.trim().to_owned(), _child: child, _input: input }
    }
}

/// A private authority.
pub(crate) struct Authority {
    /// Its certificate.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one of this name; two of one name are still two.
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// The certificate and key of a server of this name.
    fn certify(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A PostgreSQL server whose certificate, for the host `localhost`, is a private authority's.
pub(crate) struct TlsServer {
    /// The authority.
    pub(crate) authority: Authority,
    helper: Helper,
}

/// The one that all tests share.
pub(crate) static TLS_SERVER: LazyLock<TlsServer> = LazyLock::new(|| {
    let authority = Authority::new("a private authority");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.certify("localhost");
    fs::write(folder.path().join("server.crt"), certificate).unwrap();
    fs::write(folder.path().join("server.key"), key).unwrap();
    let helper = Helper::start("with-postgres", "TEST_DATABASE_URL", |command| {
        command.env_remove("TEST_DATABASE_URL").env("POSTGRES_TLS", folder.path());
    });
    TlsServer { authority, helper }
});

impl TlsServer {
    /// The address of a new database on it, by this name of the host. It is not removed: the server ends with this
    /// program.
    pub(crate) async fn database(&self, host: &str) -> String {
        let name = format!("buoy_test_{:016x}", rand::random::<u64>());
        let mut connection = PgConnection::connect(&self.helper.url).await.expect("the server answers");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let mut url = url::Url::parse(&self.helper.url).unwrap();
        url.set_host(Some(host)).unwrap();
        url.set_path(&name);
        url.into()
    }
}

static POOLER: LazyLock<Helper> = LazyLock::new(|| Helper::start("with-pgbouncer", "TEST_POOLER_URL", |_| {}));

/// The address of a database on the server of `TEST_DATABASE_URL` through a pooler in transaction mode.
pub(crate) fn through_pooler(name: &str) -> String {
    let mut url = url::Url::parse(&POOLER.url).unwrap();
    url.set_path(name);
    url.into()
}
