//! The command line.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands::{
    audit, backup, collateral, completions, config, demo, inspect, policy, provider, serve, simulate, token,
    verify,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());

/// Attestation that you run yourself: checks hardware evidence and answers with signed tokens.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    styles = STYLES,
    max_term_width = 100,
    after_help = "Example: see it all at work, with simulated hardware:\n  assay demo --once"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Arguments),
    Demo(demo::Arguments),
    Verify(verify::Arguments),
    Inspect(inspect::Arguments),
    Policy(policy::Arguments),
    Token(token::Arguments),
    Simulate(simulate::Arguments),
    Provider(provider::Arguments),
    Collateral(collateral::Arguments),
    Audit(audit::Arguments),
    Config(config::Arguments),
    Backup(backup::BackupArguments),
    Restore(backup::RestoreArguments),
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
