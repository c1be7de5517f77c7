import ArgumentParser
import MartletTypes
import Publishing
import TUF
import Trust

struct TrustKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Show a key's identifier, and write its public half for the owner to delegate to.",
        discussion: "Example: martlet trust key bob.pem --public-key bob.pub")

    @Argument(help: "The private or public key.", completion: .file()) var key: KeyLocation
    @Option(help: "Where its public half is written, in PEM.", completion: .file()) var publicKey: String?
    @Flag(help: "Make the key where the file is not there.") var make = false
    @OptionGroup var newKeys: NewKeyOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let found: PublicKey
        if make, key.scheme == nil {
            let slash = key.text.lastIndex(of: "/")
            let name = slash.map { String(key.text[key.text.index(after: $0)...]) } ?? key.text
            guard name.hasSuffix(".pem") else {
                throw CommandError("badKeyName", "A new key's file ends with .pem.", remedy: "Name it \(name).pem.")
            }
            let folder = OfflineKeys(folder: slash.map { String(key.text[..<$0]) } ?? ".")
            found = try newKeys.open(String(name.dropLast(4)), in: folder).publicKey
        } else {
            found = try PublicKeyFile.read(key, newKeys.existing)
        }
        if let publicKey { try LocalText.write(try PublicKeyFile.pem(found), to: publicKey) }
        try options.printer.say(["keyID": found.keyID]) { $0["keyID"] ?? "" }
    }
}
