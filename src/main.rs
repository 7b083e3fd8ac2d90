//! Arguments → command → exit status. The only place that decides how the process ends.

use std::io::Write;
use std::process::ExitCode;

use cachat::cli::{self, Cli, CliError};
use cachat::dirs::Dirs;
use cachat::document::convert;
use cachat::model::rendering;
use clap::Parser;

fn main() -> ExitCode {
    if let Some(done) = convert::helper().or_else(rendering::helper) {
        return done;
    }
    cachat::aside::use_helpers();
    // Wrong usage ends here with status 2, --help and --version with 0.
    let cli = Cli::parse();
    cachat::bus::install();
    cli::crash::install(Dirs::from_env().logs);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cli::run(cli)));
    match done {
        Ok(Ok(()) | Err(CliError::ClosedPipe)) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let status = match error {
                CliError::Interrupted => 130,
                CliError::Usage(_) => 2,
                _ => 1,
            };
            if status != 130 {
                // A closed stderr leaves nowhere to say it; the status still does.
                let _ = writeln!(
                    std::io::stderr(),
                    "cachat: {}",
                    cli::safe::shown(&cachat::human::brief(&error.to_string()))
                );
            }
            ExitCode::from(status)
        }
        // The hook has said what there is to say.
        Err(_) => ExitCode::FAILURE,
    }
}
