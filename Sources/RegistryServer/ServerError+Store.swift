import RegistryStore

extension ServerError {
    /// What a refusal of the store means to who called.
    init(_ error: StoreError) {
        let (status, code): (Int, String) =
            switch error.kind {
            case .notFound: (404, "notFound")
            case .conflict, .versionConflict, .alreadyExists, .uploadBusy: (409, error.code)
            case .wrongKind, .idempotencyMismatch: (422, error.code)
            case .digestMismatch: (400, "DIGEST_INVALID")
            case .uploadUnknown: (404, "BLOB_UPLOAD_UNKNOWN")
            case .uploadOffset: (416, "BLOB_UPLOAD_INVALID")
            case .tooLarge: (413, error.code)
            case .tooMany: (429, error.code)
            case .joinTokenRefused: (403, error.code)
            case .diskFull: (507, error.code)
            case .busy, .leaseLost: (503, error.code)
            case .corrupt, .ioFailed, .migrationChanged, .schemaTooNew, .badMigration, .auditBroken: (500, error.code)
            }
        self.init(status, code, error.message, remedy: error.remedy, fault: error.fault)
    }
}
