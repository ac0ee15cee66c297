-- Version 1. Never edit a migration that was released: its hash is recorded in each database.

-- Documents, addressed by SHA-256.
CREATE TABLE blobs (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    body   BLOB NOT NULL
) STRICT;

-- Mutable names. A revision never comes again, so that a removed and re-made head is not mistaken for the old one.
CREATE TABLE heads (
    name     TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    digest   BLOB NOT NULL REFERENCES blobs (digest),
    revision BLOB NOT NULL CHECK (length(revision) = 16)
) STRICT, WITHOUT ROWID;

-- The last record of each chain, so that records cut off at the end are missed.
CREATE TABLE chains (
    name     TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
    chain    TEXT    NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    id       BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    time     INTEGER NOT NULL CHECK (time >= 0),
    prev     BLOB    NOT NULL CHECK (length(prev) = 32),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    body     BLOB    NOT NULL,
    PRIMARY KEY (chain, sequence)
) STRICT;

-- Changes of heads that were made, so that one sent again is answered and not made again.
CREATE TABLE changes (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL CHECK (until >= 0)
) STRICT, WITHOUT ROWID;

-- One row that moves with every change of a head, in the same transaction.
CREATE TABLE mark (
    only  INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT;
INSERT INTO mark (only, value) VALUES (1, 0);

-- Against mistakes, not against intruders: those are found by the hashes.
CREATE TRIGGER blobs_stay BEFORE UPDATE ON blobs BEGIN
    SELECT RAISE(ABORT, 'documents are immutable');
END;
CREATE TRIGGER records_stay BEFORE UPDATE ON records BEGIN
    SELECT RAISE(ABORT, 'records are append-only');
END;
CREATE TRIGGER records_remain BEFORE DELETE ON records BEGIN
    SELECT RAISE(ABORT, 'records are append-only');
END;
