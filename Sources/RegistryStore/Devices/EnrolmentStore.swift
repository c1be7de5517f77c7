package import MartletTypes

/// An answer that a device got, or should have got, when it enrolled.
package struct EnrolmentRow: Sendable, Hashable {
    package var device: DeviceID
    package var journal: JournalID
    /// SHA-256 of the certificate's DER, in lower-case hexadecimal.
    package var fingerprint: String
    /// The certificate in PEM.
    package var certificate: String

    package init(device: DeviceID, journal: JournalID, fingerprint: String, certificate: String) {
        self.device = device
        self.journal = journal
        self.fingerprint = fingerprint
        self.certificate = certificate
    }
}

/// Answers to enrolments by join token and key, so that an answer that was lost does not use up a token for nothing.
package struct EnrolmentStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// The answer that was given by this token to who has this key; nil where there was none.
    package func find(token: String, key: Digest) throws -> EnrolmentRow? {
        try sql.first("SELECT * FROM enrolments WHERE token = ? AND key_digest = ?", [.text(token), .text(key)]).map {
            EnrolmentRow(
                device: try $0.name("device"), journal: try $0.name("journal"),
                fingerprint: try $0.text("fingerprint"), certificate: try $0.text("certificate"))
        }
    }

    /// Keeps an answer until its token is forgotten.
    package func put(_ row: EnrolmentRow, token: String, key: Digest) throws {
        try sql.execute(
            """
            INSERT INTO enrolments (token, key_digest, device, journal, fingerprint, certificate)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .text(token), .text(key), .text(row.device), .text(row.journal), .text(row.fingerprint),
                .text(row.certificate),
            ])
    }
}
