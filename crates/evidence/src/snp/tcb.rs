//! TCB versions: eight bytes whose meaning depends on the processor.

use super::Cpuid;

/// A processor generation; it decides the layout of TCB versions and which keys AMD signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// Third generation EPYC.
    Milan,
    /// Fourth generation: Genoa, Bergamo, Siena.
    Genoa,
    /// Fifth generation.
    Turin,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name in AMD's certificates and URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// Reads the name in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.as_str().eq_ignore_ascii_case(name))
    }

    /// The product of a processor (AMD document 57230; both ends of each range belong to it).
    #[must_use]
    pub const fn from_cpuid(cpuid: Cpuid) -> Option<Self> {
        match (cpuid.family, cpuid.model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x11) => Some(Self::Turin),
            _ => None,
        }
    }

    /// How this product writes TCB versions.
    #[must_use]
    pub const fn tcb_layout(self) -> TcbLayout {
        match self {
            Self::Milan | Self::Genoa => TcbLayout::Four,
            Self::Turin => TcbLayout::Five,
        }
    }

    /// Bytes of the chip id; zeros follow.
    #[must_use]
    pub const fn chip_id_size(self) -> usize {
        match self {
            Self::Milan | Self::Genoa => 64,
            Self::Turin => 8,
        }
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A layout of TCB versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcbLayout {
    /// Boot loader, TEE, four reserved bytes, SNP firmware, microcode.
    Four,
    /// FMC, boot loader, TEE, SNP firmware, three reserved bytes, microcode.
    Five,
}

/// A TCB version as received. It is no number: components compare one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcbVersion(pub [u8; 8]);

/// Security versions of the platform's parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tcb {
    /// Firmware of the first boot stage; Turin only.
    pub fmc: Option<u8>,
    /// Boot loader of the secure processor.
    pub boot_loader: u8,
    /// Operating system of the secure processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode.
    pub microcode: u8,
}

impl TcbVersion {
    /// The components, and whether the reserved bytes between them are zero.
    #[must_use]
    pub const fn read(self, layout: TcbLayout) -> (Tcb, bool) {
        match (layout, self.0) {
            (TcbLayout::Four, [boot_loader, tee, a, b, c, d, snp, microcode]) => {
                (Tcb { fmc: None, boot_loader, tee, snp, microcode }, a | b | c | d == 0)
            }
            (TcbLayout::Five, [fmc, boot_loader, tee, snp, a, b, c, microcode]) => {
                (Tcb { fmc: Some(fmc), boot_loader, tee, snp, microcode }, a | b | c == 0)
            }
        }
    }
}

impl Tcb {
    /// Writes the version as this product's layout has it; `None` if a component has no place in it, or lacks one.
    #[must_use]
    pub const fn write(&self, layout: TcbLayout) -> Option<TcbVersion> {
        let Self { boot_loader, tee, snp, microcode, .. } = *self;
        match (layout, self.fmc) {
            (TcbLayout::Four, None) => Some(TcbVersion([boot_loader, tee, 0, 0, 0, 0, snp, microcode])),
            (TcbLayout::Five, Some(fmc)) => {
                Some(TcbVersion([fmc, boot_loader, tee, snp, 0, 0, 0, microcode]))
            }
            _ => None,
        }
    }

    /// The components by name, as AMD's key server calls them.
    #[must_use]
    pub const fn components(&self) -> [(&'static str, Option<u8>); 5] {
        [
            ("fmc", self.fmc),
            ("bootloader", Some(self.boot_loader)),
            ("tee", Some(self.tee)),
            ("snp", Some(self.snp)),
            ("microcode", Some(self.microcode)),
        ]
    }

    /// The first component that is higher than in `other`. A component that only one of the two has counts as higher.
    #[must_use]
    pub fn component_above(&self, other: &Self) -> Option<&'static str> {
        let pairs = self.components().into_iter().zip(other.components());
        let mut above = pairs.filter(|((_, mine), (_, theirs))| match (mine, theirs) {
            (Some(mine), Some(theirs)) => mine > theirs,
            (mine, theirs) => mine.is_some() != theirs.is_some(),
        });
        above.next().map(|((name, _), _)| name)
    }
}

impl std::fmt::Display for Tcb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let present = self.components().into_iter().filter_map(|(name, svn)| Some((name, svn?)));
        for (number, (name, svn)) in present.enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {svn}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_models_include_both_ends() {
        let product = |family, model| Product::from_cpuid(Cpuid { family, model, stepping: 0 });
        let cases = [
            (0x19, 0x00, Some(Product::Milan)),
            (0x19, 0x0f, Some(Product::Milan)),
            (0x19, 0x10, Some(Product::Genoa)),
            (0x19, 0x1f, Some(Product::Genoa)),
            (0x19, 0x20, None),
            (0x19, 0x9f, None),
            (0x19, 0xa0, Some(Product::Genoa)),
            (0x19, 0xaf, Some(Product::Genoa)),
            (0x19, 0xb0, None),
            (0x1a, 0x00, Some(Product::Turin)),
            (0x1a, 0x11, Some(Product::Turin)),
            (0x1a, 0x12, None),
            (0x18, 0x00, None),
        ];
        for (family, model, expected) in cases {
            assert_eq!(product(family, model), expected, "{family:x} {model:x}");
        }
    }

    #[test]
    fn layouts_have_their_own_order_and_reserved_bytes() {
        let version = TcbVersion([1, 2, 0, 0, 0, 0, 7, 8]);
        let four = Tcb { fmc: None, boot_loader: 1, tee: 2, snp: 7, microcode: 8 };
        assert_eq!(version.read(TcbLayout::Four), (four, true));
        let five = Tcb { fmc: Some(1), boot_loader: 2, tee: 0, snp: 0, microcode: 8 };
        assert_eq!(version.read(TcbLayout::Five), (five, false));
        for reserved in 0..8 {
            let mut bytes = [0; 8];
            bytes[reserved] = 1;
            assert_eq!(TcbVersion(bytes).read(TcbLayout::Four).1, !(2..=5).contains(&reserved));
            assert_eq!(TcbVersion(bytes).read(TcbLayout::Five).1, !(4..=6).contains(&reserved));
        }
    }

    #[test]
    fn components_compare_one_by_one() {
        let tcb = Tcb { fmc: None, boot_loader: 4, tee: 0, snp: 24, microcode: 219 };
        assert_eq!(tcb.component_above(&tcb), None);
        // As one number this would be far below.
        let lower_microcode = Tcb { microcode: 1, snp: 25, ..tcb };
        assert_eq!(tcb.component_above(&lower_microcode), Some("microcode"));
        assert_eq!(lower_microcode.component_above(&tcb), Some("snp"));
        assert_eq!(Tcb { fmc: Some(0), ..tcb }.component_above(&tcb), Some("fmc"));
        assert_eq!(tcb.component_above(&Tcb { fmc: Some(9), ..tcb }), Some("fmc"));
        assert_eq!(tcb.to_string(), "bootloader 4, tee 0, snp 24, microcode 219");
    }
}
