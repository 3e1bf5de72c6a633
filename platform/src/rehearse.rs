//! `rehearse`: does with a spec in local containers what the platform would, under load, and counts what visitors
//! noticed.

mod database;
mod deployment;
mod engine;
mod environment;
mod ingress;
mod instance;
mod load;
mod probe;
mod report;
mod scenarios;
mod versions;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use self::{
    database::Database, deployment::Platform, engine::Engine, ingress::Ingress, report::Report, scenarios::Stage,
};
use crate::check::{self, Sound};

/// No rehearsal takes longer, builds aside.
const LIMIT: Duration = Duration::from_secs(1_800);

/// What to rehearse, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec
    #[arg(long, value_name = "FILE", default_value = ".do/app.yaml")]
    spec: PathBuf,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
    /// Build the images and stop
    #[arg(long)]
    build_only: bool,
}

/// Rehearses; answers whether everything was as it must be. What was started is removed in any case, also after
/// Ctrl-C; images stay, so that the next build is short.
///
/// # Errors
/// Fails if the spec is not sound, an image cannot be built, the engine fails, or a signal ended the rehearsal.
pub async fn run(args: &Args) -> Result<bool> {
    let root = check::repository();
    let spec = if args.spec.exists() { args.spec.clone() } else { root.join(&args.spec) };
    let sound = sound(&spec, &root)?;
    let mut end = signal(SignalKind::terminate())?;
    let interrupted = async {
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.unwrap_or_default(),
            _ = end.recv() => {}
        }
    };
    let mut interrupted = std::pin::pin!(interrupted);
    let dockerfile = sound.app.services[0].dockerfile_path.clone().unwrap_or_else(|| "Dockerfile".to_owned());
    let versions = tokio::select! {
        versions = versions::build(&root, &dockerfile) => versions?,
        () = &mut interrupted => bail!("interrupted while building"),
    };
    if args.build_only {
        return Ok(true);
    }
    let engine = Engine::start().await?;
    let result = tokio::select! {
        result = tokio::time::timeout(LIMIT, rehearse(&engine, &sound, versions, args.rate)) => {
            result.unwrap_or_else(|_| bail!("it took longer than {} s", LIMIT.as_secs()))
        }
        () = &mut interrupted => Err(anyhow::anyhow!("interrupted")),
    };
    say("removing what was started");
    engine.clean().await;
    let report = result?;
    print(&format!("Spec {}, commit {}.\n{report}", spec.display(), report_commit(&root).await));
    Ok(report.is_good())
}

fn sound(spec: &Path, root: &Path) -> Result<Sound> {
    check::file(spec, root).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the spec is not sound:\n{}", lines.join("\n"))
    })
}

async fn rehearse(engine: &Engine, sound: &Sound, versions: versions::Versions, rate: u32) -> Result<Report> {
    let wanted = sound.app.databases.first().context("the spec has no database")?;
    let database = Database::start(engine, sound, wanted).await?;
    let watch = database.watch()?;
    let ingress = Ingress::start(&sound.app).await?;
    say(&format!("visitors come to {}", ingress.url()));
    let platform = Platform::new(engine.clone(), database, ingress, sound)?;
    let mut report = Report::default();
    Stage { platform, versions, rate }.run(&mut report).await?;
    report.note_connections(watch.seen(), sound.connections, sound.database.size.connections);
    Ok(report)
}

/// The commit, and whether the tree is as it was committed.
async fn report_commit(root: &Path) -> String {
    let mut command = tokio::process::Command::new("git");
    command.arg("-C").arg(root).args(["describe", "--always", "--dirty", "--abbrev=12"]);
    let output = command.output().await.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// Says what is going on, with the seconds since the beginning.
fn say(text: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = *BEGAN.get_or_init(Instant::now);
    print(&format!("{:>5.1} s  {text}", began.elapsed().as_secs_f64()));
}

fn print(text: &str) {
    // A reader who has gone away is no reason to leave containers behind.
    writeln!(std::io::stdout(), "{text}").ok();
}
