//! The real program, started as a service for development in a folder of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_token::Algorithm;
use http::StatusCode;

use crate::Failure;
use crate::client::{Connection, Dialer};

/// Longest start that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a service that starts: small beside the second that it may take.
const POLL: Duration = Duration::from_millis(2);

/// Builds the program as it is shipped, and says where it is.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    crate::note("building the service ...")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--locked", "--release", "--bin", "assay"]).status()?;
    if !status.success() {
        return Err("the service does not build".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(target.join("release").join("assay"))
}

/// A running service. It is stopped when this is dropped.
pub(crate) struct Server {
    child: Child,
    dialer: Dialer,
    started_in: Duration,
}

impl Server {
    /// Starts the program and waits until it is ready.
    pub(crate) async fn start(
        program: &Path,
        folder: &Path,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, Failure> {
        let algorithm = algorithm
            .map(|algorithm| ("ASSAY_DEFAULT_PROVIDER_SIGNING_ALGORITHM", algorithm.as_str().to_owned()));
        Self::start_with(program, folder, algorithm.as_slice()).await
    }

    /// The same with settings of one's own, as variables of the environment.
    pub(crate) async fn start_with(
        program: &Path,
        folder: &Path,
        settings: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let address = free_address()?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ASSAY_"))
        {
            command.env_remove(name);
        }
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        // All requests come from one address here, as fast as they can be answered.
        command.env("ASSAY_LIMITS_REQUESTS_PER_SECOND_PER_SOURCE", "1000000");
        command.env("ASSAY_LIMITS_BURST", "1000000");
        command.args(["serve", "--dev", "--listen", &address.to_string(), "--data"]).arg(folder);
        Self::spawn(command, address, folder).await
    }

    /// Starts hyper alone in a process of its own, over the folder of a service; see [`crate::bare`].
    pub(crate) async fn bare(folder: &Path) -> Result<Self, Failure> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--bare-listen", &address.to_string(), "--bare-folder"]).arg(folder);
        Self::spawn(command, address, folder).await
    }

    async fn spawn(mut command: Command, address: SocketAddr, folder: &Path) -> Result<Self, Failure> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn()?;
        match ready(&mut child, address, folder, start).await {
            Ok(dialer) => {
                let started_in = Instant::now().saturating_duration_since(start);
                Ok(Self { child, dialer, started_in })
            }
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }

    /// From the start of the process to the first answer that it is ready.
    pub(crate) const fn started_in(&self) -> Duration {
        self.started_in
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        self.dialer.connect().await
    }

    /// Time of the processor that the service has taken, in user and system mode: `/proc/PID/stat`, fields 14 and 15, in
    /// hundredths of a second (proc(5); the unit is the same on every Linux that Rust runs on but Alpha and IA-64).
    pub(crate) fn cpu_time(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let ticks = ticks(&stat).ok_or("`/proc/PID/stat` is not as documented")?;
        Ok(Duration::from_millis(ticks.saturating_mul(10)))
    }

    /// Resident memory in bytes: `VmRSS` of `/proc/PID/status`.
    pub(crate) fn resident_bytes(&self) -> Result<u32, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u32>().ok());
        let kilobytes = kilobytes.ok_or("`/proc/PID/status` is not as documented")?;
        Ok(kilobytes.saturating_mul(1024))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// The folder is thrown away, so nothing is lost by not waiting for an orderly end.
fn stop(child: &mut Child) {
    // It fails only if the process has ended already, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until `GET /readyz` is 200.
async fn ready(
    child: &mut Child,
    address: SocketAddr,
    folder: &Path,
    start: Instant,
) -> Result<Dialer, Failure> {
    let authority = folder.join("tls").join("ca.pem");
    loop {
        if let Some(dialer) = is_ready(address, &authority).await {
            return Ok(dialer);
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("the service ended before it was ready: {status}").into());
        }
        if Instant::now().saturating_duration_since(start) > PATIENCE {
            return Err(format!("the service was not ready within {} s", PATIENCE.as_secs()).into());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn is_ready(address: SocketAddr, authority: &Path) -> Option<Dialer> {
    let dialer = Dialer::new(address, authority).ok()?;
    let (status, _) = dialer.connect().await.ok()?.get("/readyz").await.ok()?;
    (status == StatusCode::OK).then_some(dialer)
}

fn ticks(stat: &str) -> Option<u64> {
    // The name of the program stands in parentheses and may hold spaces; field 3 follows it.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn processor_time_is_read_whatever_the_program_is_called() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 90 0 0 0 123 45 7 8 20 0 4 0 5 6 7";
        assert_eq!(ticks(stat), Some(168));
        assert_eq!(ticks("42 (assay) S 1"), None);
    }
}
