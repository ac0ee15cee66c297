//! The hardware identity service: vendor collateral, held only when verified
