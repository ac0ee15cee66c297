//! HTTP, authentication, configuration and metrics around the attest use case
