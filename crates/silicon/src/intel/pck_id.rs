//! What Intel's PCK ID retrieval tool reads from a machine: how a platform names itself when it asks for certificates.
//!
//! A simulated platform has nothing to hide, so its *encrypted PPID* is no ciphertext: it is a name, 16 bytes of the
//! SHA-256 of the PPID, and after it whatever SHA-256 makes of that name, 384 bytes in all. It is the same every time,
//! where a real one is encrypted anew. The *platform manifest* has the same name after a magic number.

use aws_lc_rs::digest::{SHA256, digest};

use super::platform::Platform;

/// RSA-3072.
const ENCRYPTED_PPID_SIZE: usize = 384;
/// The shortest manifest that Intel takes (PCS API, version 4: at least 16862 digits).
const MANIFEST_SIZE: usize = 8431;
const MANIFEST_MAGIC: &[u8; 8] = b"SIMULMAN";
const ADD_REQUEST_MAGIC: &[u8; 8] = b"SIMULADD";

/// The name of a platform in a folder and at the simulated vendor: no secret, but it identifies the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name([u8; 16]);

impl Name {
    pub(crate) fn of_ppid(ppid: &[u8; 16]) -> Self {
        Self(first_half(&[b"PPID", &ppid[..]].concat()))
    }

    /// The platform that an encrypted PPID names; `None` if it is of no simulated platform.
    pub(crate) fn of_encrypted_ppid(encrypted: &[u8]) -> Option<Self> {
        let name = Self(*encrypted.first_chunk()?);
        (name.encrypted_ppid() == encrypted).then_some(name)
    }

    /// The platform that a manifest names.
    pub(crate) fn of_manifest(manifest: &[u8]) -> Result<Self, NotAManifest> {
        let rest = manifest.strip_prefix(MANIFEST_MAGIC).ok_or(NotAManifest::Foreign)?;
        let name = rest.first_chunk().map(|name| Self(*name)).ok_or(NotAManifest::Damaged)?;
        if name.manifest() == manifest { Ok(name) } else { Err(NotAManifest::Damaged) }
    }

    pub(crate) fn encrypted_ppid(self) -> Vec<u8> {
        self.filled(&self.0, ENCRYPTED_PPID_SIZE)
    }

    pub(crate) fn manifest(self) -> Vec<u8> {
        self.filled(&[&MANIFEST_MAGIC[..], &self.0].concat(), MANIFEST_SIZE)
    }

    /// What says of a package that it belongs to the platform.
    pub(crate) fn membership(self, package: u8, size: usize) -> Vec<u8> {
        self.filled(&[&b"SIMULMEM"[..], &[package], &self.0].concat(), size)
    }

    pub(crate) fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    fn filled(self, start: &[u8], size: usize) -> Vec<u8> {
        let blocks = (0_u32..).map(|block| digest(&SHA256, &[&self.0[..], &block.to_le_bytes()].concat()));
        let more = blocks.flat_map(|block| block.as_ref().to_vec());
        start.iter().copied().chain(more).take(size).collect()
    }
}

/// A request to add packages to a platform: a magic number, the name, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddRequest {
    pub(crate) name: Name,
    pub(crate) packages: u8,
}

impl AddRequest {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NotAManifest> {
        let rest = bytes.strip_prefix(ADD_REQUEST_MAGIC).ok_or(NotAManifest::Foreign)?;
        match rest.split_first_chunk() {
            Some((name, [packages])) => Ok(Self { name: Name(*name), packages: *packages }),
            _ => Err(NotAManifest::Damaged),
        }
    }
}

/// Why bytes are not the manifest or the add request of a simulated platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAManifest {
    /// They do not begin as one.
    Foreign,
    /// They begin as one and are cut off or changed.
    Damaged,
}

/// What the retrieval tool writes.
#[derive(Clone, PartialEq, Eq)]
pub struct PckId {
    /// 384 bytes; see the module for what they are.
    pub encrypted_ppid: Vec<u8>,
    /// The provisioning certification enclave.
    pub pce_id: [u8; 2],
    /// The raw TCB of the processor.
    pub cpu_svn: [u8; 16],
    /// Security version of the provisioning certification enclave.
    pub pce_svn: u16,
    /// Identifies the quoting enclave on this platform.
    pub qe_id: [u8; 16],
    /// Of platforms of several packages, until Intel has it.
    pub manifest: Option<Vec<u8>>,
}

impl PckId {
    /// The line of the tool's file, with its line end: encrypted PPID, PCE id, CPUSVN, PCESVN and QE id, and the manifest
    /// where there is one; all in lower-case hexadecimal, PCESVN little-endian.
    #[must_use]
    pub fn csv_line(&self) -> String {
        let pce_svn = self.pce_svn.to_le_bytes();
        let fixed = [&self.encrypted_ppid[..], &self.pce_id, &self.cpu_svn, &pce_svn, &self.qe_id];
        let fields: Vec<String> =
            fixed.into_iter().chain(self.manifest.as_deref()).map(hex::encode).collect();
        format!("{}\n", fields.join(","))
    }
}

/// Everything in it identifies the machine.
impl std::fmt::Debug for PckId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PckId").field("manifest", &self.manifest.is_some()).finish_non_exhaustive()
    }
}

impl Platform {
    /// How the platform names itself when it asks for certificates; with its manifest if Intel needs that.
    #[must_use]
    pub fn pck_id(&self, with_manifest: bool) -> PckId {
        let name = Name::of_ppid(&self.ppid());
        PckId {
            encrypted_ppid: name.encrypted_ppid(),
            pce_id: self.pce_id(),
            cpu_svn: self.spec.cpu_svn_components,
            pce_svn: self.spec.pce_svn,
            qe_id: self.qe_id(),
            manifest: with_manifest.then(|| name.manifest()),
        }
    }
}

impl Platform {
    /// The request with which the platform's firmware adds so many packages.
    #[must_use]
    pub fn add_request(&self, packages: u8) -> Vec<u8> {
        let name = Name::of_ppid(&self.ppid());
        [&ADD_REQUEST_MAGIC[..], &name.0, &[packages]].concat()
    }
}

fn first_half(data: &[u8]) -> [u8; 16] {
    // SHA-256 is 32 bytes; zeros would be a name that no platform has.
    digest(&SHA256, data).as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_nothing_else_is() {
        let name = Name::of_ppid(&[7; 16]);
        let (encrypted, manifest) = (name.encrypted_ppid(), name.manifest());
        assert_eq!((encrypted.len(), manifest.len()), (384, 8431));
        assert_eq!(Name::of_encrypted_ppid(&encrypted), Some(name));
        assert_eq!(Name::of_manifest(&manifest), Ok(name));
        for index in [0, 8, 30, 383] {
            let mut changed = encrypted.clone();
            changed[index] ^= 1;
            assert_eq!(Name::of_encrypted_ppid(&changed), None, "{index}");
            let mut changed = manifest.clone();
            changed[index] ^= 1;
            let error = if index < 8 { NotAManifest::Foreign } else { NotAManifest::Damaged };
            assert_eq!(Name::of_manifest(&changed), Err(error), "{index}");
        }
        assert_eq!(Name::of_encrypted_ppid(&encrypted[..383]), None);
        assert_eq!(Name::of_manifest(&manifest[..8430]), Err(NotAManifest::Damaged));
        assert_eq!(Name::of_manifest(MANIFEST_MAGIC), Err(NotAManifest::Damaged));
    }
}
