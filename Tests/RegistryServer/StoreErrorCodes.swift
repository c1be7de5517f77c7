import RegistryStore

/// Every error of the store, for tables.
enum StoreErrorCodes {
    static let all = StoreError.Code.allCases.map { StoreError($0, "as the test wants it") }
    static let diskFull = StoreError(.diskFull, "no space")
}
