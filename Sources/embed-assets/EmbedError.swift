/// Why the assets could not be turned into source.
package struct EmbedError: Error, CustomStringConvertible, Equatable {
    /// A stable code in lowerCamelCase.
    package let code: String
    /// The file at fault, relative to the root of the package.
    package let path: String
    /// What is wrong with it, and what to do.
    package let reason: String

    package var description: String { "\(path): \(reason) [\(code)]" }
}
