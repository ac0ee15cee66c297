//! What Intel's PCK ID retrieval tool says of an SGX platform: one line of hexadecimal values with commas between them.
//!
//! ```text
//! EncryptedPPID (384 bytes), PCE_ID (2, little-endian), CPUSVN (16), PCE ISVSVN (2, little-endian), QE_ID (16)[, manifest]
//! ```
//!
//! (Intel SGX DCAP, tools/PCKRetrievalTool, README, "Output file".)

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::IdentityError;

/// A manifest has up to 53,000 bytes, twice as many digits.
const MAX_FILE: u64 = 256 * 1024;

/// Where the values come from.
#[derive(Clone, Debug)]
pub struct SgxSource(pub PathBuf);

/// An SGX platform.
#[derive(Clone, PartialEq, Eq)]
pub struct SgxIdentity {
    /// The platform's provisioning id, encrypted for Intel. Never log it.
    pub encrypted_ppid: Vec<u8>,
    /// The provisioning certification enclave, little-endian.
    pub pce_id: [u8; 2],
    /// The raw CPU SVN.
    pub cpu_svn: [u8; 16],
    /// Security version of the provisioning certification enclave, little-endian.
    pub pce_svn: [u8; 2],
    /// The quoting enclave on this platform. Never log it.
    pub qe_id: [u8; 16],
}

impl fmt::Debug for SgxIdentity {
    /// Leaves out what identifies the platform.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SgxIdentity").field("pce_id", &self.pce_id).finish_non_exhaustive()
    }
}

impl SgxSource {
    /// Reads the file anew.
    ///
    /// # Errors
    /// [`IdentityError::File`] and [`IdentityError::PckId`].
    pub fn read(&self) -> Result<SgxIdentity, IdentityError> {
        let bytes = crate::files::read(&self.0, MAX_FILE)
            .map_err(|error| IdentityError::File { path: error.path, problem: error.problem })?;
        SgxIdentity::parse(&bytes).map_err(|problem| self.wrong(problem))
    }

    fn wrong(&self, problem: String) -> IdentityError {
        let path: &Path = &self.0;
        IdentityError::PckId { path: path.to_owned(), problem }
    }
}

impl SgxIdentity {
    /// Reads the first line that is not empty. A second one would be another platform's.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.next().ok_or("it is empty")?;
        if lines.next().is_some() {
            return Err("it has more than one line".to_owned());
        }
        let mut values = line.split(',').map(str::trim);
        let mut next = |name: &str, size: usize| {
            let value = values.next().ok_or_else(|| format!("{name} is missing"))?;
            hex::decode(value)
                .ok()
                .filter(|bytes| bytes.len() == size)
                .ok_or_else(|| format!("{name} is not {} hexadecimal digits", size.saturating_mul(2)))
        };
        Ok(Self {
            encrypted_ppid: next("EncryptedPPID", 384)?,
            pce_id: array(&next("PCE_ID", 2)?),
            cpu_svn: array(&next("CPUSVN", 16)?),
            pce_svn: array(&next("PCE ISVSVN", 2)?),
            qe_id: array(&next("QE_ID", 16)?),
        })
    }

    /// The path at a service of the shape of Intel's, with what its cache looks platforms up by.
    #[must_use]
    pub fn pckcert_path(&self) -> String {
        format!(
            "/sgx/certification/v4/pckcert?qeid={}&encrypted_ppid={}&cpusvn={}&pcesvn={}&pceid={}",
            hex::encode_upper(self.qe_id),
            hex::encode_upper(&self.encrypted_ppid),
            hex::encode_upper(self.cpu_svn),
            hex::encode_upper(self.pce_svn),
            hex::encode_upper(self.pce_id)
        )
    }

    /// Whether a client's query is about this platform: its QE ID must be there, and no other value may differ. The
    /// encrypted PPID differs each time, and some clients send zeros; what else a query says is of no concern here.
    #[must_use]
    pub fn is_meant_by(&self, query: &str) -> bool {
        let own: [(&str, &[u8]); 4] = [
            ("qeid", &self.qe_id),
            ("cpusvn", &self.cpu_svn),
            ("pcesvn", &self.pce_svn),
            ("pceid", &self.pce_id),
        ];
        let mut named = false;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let Some((own_name, own)) = own.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) else {
                continue;
            };
            if hex::decode(value).ok().as_deref() != Some(*own) {
                return false;
            }
            named |= *own_name == "qeid";
        }
        named
    }
}

/// The length was checked before.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> String {
        format!("{},0000,{},0D00,{}", "aB".repeat(384), "0102".repeat(8), "c1".repeat(16))
    }

    #[test]
    fn a_line_of_the_tool_is_read() {
        for text in
            [line(), format!("\u{feff}{}\r\n\r\n", line()), format!("{},{}\n", line(), "ff".repeat(100))]
        {
            let identity = SgxIdentity::parse(text.as_bytes()).unwrap();
            assert_eq!((identity.pce_svn, identity.qe_id), ([0x0d, 0], [0xc1; 16]));
            assert_eq!((identity.cpu_svn[..2].to_vec(), identity.encrypted_ppid.len()), (vec![1, 2], 384));
            assert!(!format!("{identity:?}").contains("193"));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        let cases = [
            (String::new(), "it is empty"),
            (format!("{}\n{}", line(), line()), "it has more than one line"),
            (line().replacen("aB", "", 1), "EncryptedPPID is not 768 hexadecimal digits"),
            (line().replace(",0D00,", ",0D,"), "PCE ISVSVN is not 4 hexadecimal digits"),
            (line().replace("c1", "xx"), "QE_ID is not 32 hexadecimal digits"),
            ("ab".repeat(384), "PCE_ID is missing"),
        ];
        for (text, problem) in cases {
            assert_eq!(SgxIdentity::parse(text.as_bytes()).unwrap_err(), problem);
        }
        assert_eq!(SgxIdentity::parse(&[0xff]).unwrap_err(), "it is not text");
    }

    #[test]
    fn queries_of_clients_name_the_platform() {
        let own = SgxIdentity::parse(line().as_bytes()).unwrap();
        let (qe, svn) = ("C1".repeat(16), "0102".repeat(8));
        let zeros = "00".repeat(384);
        // As Intel's library and Azure's client send it.
        let intel = format!(
            "qeid={qe}&encrypted_ppid={zeros}&cpusvn={svn}&pcesvn=0D00&pceid=0000&api-version=2021-07-22-preview"
        );
        let azure = format!(
            "qeid={}&cpusvn={svn}&pcesvn=0d00&pceid=0000&encrypted_ppid={zeros}&clientid=production_client&api-version=2021-07-22-preview",
            "c1".repeat(16)
        );
        for good in [intel.clone(), azure, format!("QEID={qe}"), format!("&&x&qeid={qe}")] {
            assert!(own.is_meant_by(&good), "{good}");
        }
        for bad in [
            String::new(),
            "qeid=".to_owned(),
            format!("cpusvn={svn}"),
            intel.replace(&qe, &"C2".repeat(16)),
            intel.replace("0D00", "0E00"),
            intel.replace("pceid=0000", "pceid=0100"),
            format!("{intel}&qeid={}", "C2".repeat(16)),
        ] {
            assert!(!own.is_meant_by(&bad), "{bad}");
        }
    }

    #[test]
    fn the_path_is_that_of_intel() {
        let path = SgxIdentity::parse(line().as_bytes()).unwrap().pckcert_path();
        let start = format!("/sgx/certification/v4/pckcert?qeid={}&encrypted_ppid=ABAB", "C1".repeat(16));
        assert!(path.starts_with(&start), "{path}");
        assert!(path.ends_with(&format!("&cpusvn={}&pcesvn=0D00&pceid=0000", "0102".repeat(8))), "{path}");
    }
}
