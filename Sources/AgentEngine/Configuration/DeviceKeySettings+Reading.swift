internal import Trust

extension DeviceKeySettings {
    static let members = ["location", "passphraseFile", "passphraseCredential"]

    /// Reads `deviceKey`. Throws `invalidConfiguration` that names the place.
    init(_ object: ConfigurationObject) throws(AgentError) {
        self.init()
        guard let text = try object.text("location") else {
            throw object.wrong("location", "is missing", "the absolute path or the URI of a private key")
        }
        let location = KeyLocation(text)
        guard location.scheme != nil || text.hasPrefix("/"), !text.utf8.contains(0) else {
            throw object.wrong("location", "is neither an absolute path nor a URI", "e.g. handle:0x81000001")
        }
        guard !text.contains("pin-value=") else {
            throw object.wrong("location", "holds a PIN", "passphraseFile or passphraseCredential for the PIN")
        }
        self.location = location
        let file = try object.absolutePath("passphraseFile")
        let credential = try object.text("passphraseCredential")
        switch (file, credential) {
        case (nil, nil): break
        case (let file?, nil): passphrase = .file(file)
        case (nil, let credential?): passphrase = .credential(credential)
        default:
            throw object.wrong("passphraseCredential", "stands beside passphraseFile", "one of the two")
        }
    }
}
