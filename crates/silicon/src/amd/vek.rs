//! The extensions of an endorsement key's certificate (AMD, *Versioned Chip Endorsement Key (VCEK) Certificate and KDS
//! Interface Specification*, publication 57230, section 3), in the order AMD writes them.

use super::spec::{ChipSpec, Product, VekKind};
use crate::asn1;
use crate::x509::Extension;

/// 1.3.6.1.4.1.3704.1, encoded.
const ARC: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];

pub(super) const STRUCT_VERSION: &[u8] = &[1];
pub(super) const PRODUCT_NAME: &[u8] = &[2];
pub(super) const BOOT_LOADER: &[u8] = &[3, 1];
pub(super) const TEE: &[u8] = &[3, 2];
pub(super) const SNP: &[u8] = &[3, 3];
const SPL_4: &[u8] = &[3, 4];
const SPL_5: &[u8] = &[3, 5];
const SPL_6: &[u8] = &[3, 6];
const SPL_7: &[u8] = &[3, 7];
pub(super) const MICROCODE: &[u8] = &[3, 8];
/// On Turin alone.
pub(super) const FMC: &[u8] = &[3, 9];
/// In a VCEK alone.
pub(super) const HWID: &[u8] = &[4];
/// In a VLEK alone.
pub(super) const CSP_ID: &[u8] = &[5];

/// The identifier under AMD's arc.
pub(super) fn identifier(arcs: &[u8]) -> Vec<u8> {
    [ARC, arcs].concat()
}

/// An extension under AMD's arc. None of them is critical.
pub(super) fn extension(arcs: &[u8], value: Vec<u8>) -> Extension {
    Extension::new(&identifier(arcs), false, value)
}

/// The extensions of a chip.
pub(super) fn extensions(spec: &ChipSpec, chip_id: &[u8; 64]) -> Vec<Extension> {
    let mut all = vec![
        extension(STRUCT_VERSION, asn1::unsigned(&[struct_version(spec.product)])),
        extension(PRODUCT_NAME, asn1::ia5(product_name(spec.product, spec.kind))),
    ];
    all.extend(spls(spec).into_iter().map(|(arcs, spl)| extension(arcs, asn1::unsigned(&[spl]))));
    all.push(match spec.kind {
        VekKind::Vcek if spec.wrapped_hwid => extension(HWID, asn1::octets(hwid(spec.product, chip_id))),
        VekKind::Vcek => extension(HWID, hwid(spec.product, chip_id).to_vec()),
        VekKind::Vlek => extension(CSP_ID, asn1::ia5(&spec.csp_id)),
    });
    all
}

/// Turin has its own order, one more component and one reserved one less.
fn spls(spec: &ChipSpec) -> Vec<(&'static [u8], u8)> {
    let tcb = spec.tcb;
    let (boot_loader, tee, snp) = ((BOOT_LOADER, tcb.boot_loader), (TEE, tcb.tee), (SNP, tcb.snp));
    let microcode = (MICROCODE, tcb.microcode);
    let reserved = [(SPL_5, 0), (SPL_6, 0), (SPL_7, 0)];
    match spec.product {
        Product::Milan | Product::Genoa => {
            [&[boot_loader, tee, (SPL_4, 0)][..], &reserved, &[snp, microcode]].concat()
        }
        Product::Turin => [&[(FMC, tcb.fmc), boot_loader, tee, snp][..], &reserved, &[microcode]].concat(),
    }
}

/// 1 since Turin.
pub(super) const fn struct_version(product: Product) -> u8 {
    match product {
        Product::Milan | Product::Genoa => 0,
        Product::Turin => 1,
    }
}

/// AMD names the stepping in the VCEK of a Milan, and says B0 even on later ones.
pub(super) const fn product_name(product: Product, kind: VekKind) -> &'static str {
    match (product, kind) {
        (Product::Milan, VekKind::Vcek) => "Milan-B0",
        _ => product.vendor_name(),
    }
}

/// The bytes of the chip id that count. They are the content of the extension, with no DER around them.
pub(super) fn hwid(product: Product, chip_id: &[u8; 64]) -> &[u8] {
    chip_id.get(..product.chip_id_size()).unwrap_or_default()
}
