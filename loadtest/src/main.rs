//! `loadtest`: exit status 0 if every demand was met, 1 if a threshold was missed, 2 if the run could not be made.

use std::process::ExitCode;

use clap::Parser as _;
use loadtest::{attack, options::Options, report};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match attack::run(&options).await {
        Ok(summary) => {
            print!("{}", report::table(&summary));
            println!("report: {}", options.output.join("report.html").display());
            if summary.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}
