//! `loadtest`: exit status 0 where everything demanded was met, 1 where a threshold was missed, 2 where no run came about.

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
