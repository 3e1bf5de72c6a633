//! PostgreSQL as the platform would have it: TLS by a private authority and nothing without it, a user who is no
//! superuser, and as many connections as the cluster of the spec leaves to its users.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    engine::{Engine, docker, docker_status},
    say,
};
use crate::{check::Sound, spec::Database as Wanted};

/// The server's name on the network, and in its certificate.
const HOST: &str = "db.rehearsal.internal";
/// The port of the platform's clusters.
const PORT: &str = "25060";
/// Only containers on the rehearsal's own network reach the server, and it ends with the rehearsal.
const PASSWORD: &str = "for-this-rehearsal-only";
/// Kept for superusers, here as on the platform.
const RESERVED: u32 = 3;
/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

/// Makes the certificate readable by the server, and admits only TLS over the network.
const PREPARE: &str = r#"
umask 077 && mkdir -p /tls && printf %s "$SERVER_KEY" >/tls/key.pem && printf %s "$SERVER_CERT" >/tls/cert.pem
printf 'local all all trust\nhostssl all all all scram-sha-256\n' >/tls/hba.conf
chown -R postgres /tls
unset SERVER_KEY SERVER_CERT
exec docker-entrypoint.sh postgres "$@"
"#;

/// Every column and index there is.
const SCHEMA: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT table_name || '.' || column_name || ' ' || data_type AS line
    FROM information_schema.columns
    WHERE table_schema = 'public'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public') AS lines";

/// The running database.
pub(super) struct Database {
    container: String,
    user: String,
    name: String,
    authority: String,
}

/// Connections that the program held: at most at one moment, and whether all were encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) most: u32,
    pub(super) all_encrypted: bool,
}

/// Looks at the connections all the time, over one of those that are kept for superusers.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    _process: Child,
}

impl Database {
    /// Starts the server and makes what a new cluster has: an admin who is no superuser, and a database of theirs.
    pub(super) async fn start(engine: &Engine, sound: &Sound, wanted: &Wanted) -> Result<Self> {
        let (authority, certificate, key) = certificates()?;
        let database = Self {
            container: format!("{}-db", engine.name),
            user: wanted.db_user.clone().unwrap_or_else(|| "doadmin".to_owned()),
            name: wanted.db_name.clone().unwrap_or_else(|| "defaultdb".to_owned()),
            authority,
        };
        let image = format!("postgres:{}", wanted.version.as_deref().unwrap_or("17"));
        let allowed = sound.database.size.connections;
        say(&format!("starting {image}: {allowed} connections, TLS by a private authority"));
        let (label, most) = (engine.label(), format!("max_connections={}", allowed + RESERVED));
        let reserved = format!("superuser_reserved_connections={RESERVED}");
        let variables = [
            format!("SERVER_KEY={key}"),
            format!("SERVER_CERT={certificate}"),
            format!("PGPORT={PORT}"),
            format!("POSTGRES_PASSWORD={PASSWORD}"),
        ];
        let mut args = vec!["run", "--detach", "--name", &database.container, "--label", &label];
        args.extend(["--network", &engine.name, "--network-alias", HOST, "--entrypoint", "sh"]);
        variables.iter().for_each(|variable| args.extend(["--env", variable]));
        args.extend([&image, "-c", PREPARE, "sh", "-c", &most, "-c", &reserved, "-c", "hba_file=/tls/hba.conf"]);
        args.extend(["-c", "ssl=on", "-c", "ssl_cert_file=/tls/cert.pem", "-c", "ssl_key_file=/tls/key.pem"]);
        docker(&args).await?;
        database.wait().await?;
        database
            .superuser(
                "postgres",
                &format!("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'", database.user),
            )
            .await?;
        database.superuser("postgres", &format!("CREATE DATABASE {} OWNER {}", database.name, database.user)).await?;
        Ok(database)
    }

    /// Waits until the server takes connections over the network: the one that only sets up the volume does not.
    async fn wait(&self) -> Result<()> {
        let started = Instant::now();
        let ask = ["exec", &self.container, "pg_isready", "-q", "-h", "127.0.0.1", "-p", PORT];
        while docker_status(&ask, Duration::from_secs(10)).await?.0 != 0 {
            if started.elapsed() > START {
                let (_, log) = docker_status(&["logs", "--tail", "20", &self.container], START).await?;
                bail!("PostgreSQL did not start:\n{log}");
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// What the platform puts in place of a binding to this database.
    pub(super) fn binding(&self, attribute: &str) -> Option<String> {
        let (user, name) = (&self.user, &self.name);
        Some(match attribute {
            // The platform's addresses ask for encryption and leave the certificate alone.
            "DATABASE_URL" => format!("postgresql://{user}:{PASSWORD}@{HOST}:{PORT}/{name}?sslmode=require"),
            "CA_CERT" => self.authority.clone(),
            "HOSTNAME" => HOST.to_owned(),
            "PORT" => PORT.to_owned(),
            "USERNAME" => user.clone(),
            "PASSWORD" => PASSWORD.to_owned(),
            "DATABASE" => name.clone(),
            _ => return None,
        })
    }

    /// Runs SQL as a superuser in the program's database; answers bare rows.
    pub(super) async fn sql(&self, sql: &str) -> Result<String> {
        self.superuser(&self.name, sql).await
    }

    /// A sum over the schema as it is.
    pub(super) async fn schema(&self) -> Result<String> {
        self.sql(SCHEMA).await
    }

    async fn superuser(&self, database: &str, sql: &str) -> Result<String> {
        let psql = [
            "exec",
            &self.container,
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
            "-c",
            sql,
        ];
        docker(&psql).await
    }

    /// Begins to look at the connections, four times a second.
    pub(super) fn watch(&self) -> Result<Watch> {
        let sql = format!(
            "SELECT count(*) || '/' || count(*) FILTER (WHERE ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
             WHERE usename = '{}' \\watch 0.25",
            self.user
        );
        let script = format!("printf '%s\\n' \"$0\" | psql -XqAt -U postgres -d {}", self.name);
        let mut command = Command::new("docker");
        command.args(["exec", &self.container, "sh", "-c", &script, &sql]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().context("`docker` could not be started")?;
        let lines = process.stdout.take().context("the process has an output")?;
        let seen = Arc::new(Mutex::new(Seen { most: 0, all_encrypted: true }));
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut lines = BufReader::new(lines).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                note(&noted, &line);
            }
        });
        Ok(Watch { seen, _process: process })
    }
}

impl Watch {
    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(seen: &Mutex<Seen>, line: &str) {
    let Some((all, encrypted)) = line.split_once('/') else { return };
    let (Ok(all), Ok(encrypted)) = (all.parse::<u32>(), encrypted.parse::<u32>()) else { return };
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.most = seen.most.max(all);
    seen.all_encrypted &= all == encrypted;
}

/// An authority of this rehearsal alone, and a certificate that it signed: the authority's, the server's, the
/// server's key.
fn certificates() -> Result<(String, String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Rehearsal Authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate()?;
    let server = CertificateParams::new(vec![HOST.to_owned()])?.signed_by(&server_key, &issuer)?;
    Ok((authority.pem(), server.pem(), server_key.serialize_pem()))
}
