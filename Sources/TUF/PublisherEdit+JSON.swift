package import MartletTypes

/// An edit as it is kept while signatures are gathered: `{"path": …, "target": {…}}`, without target for a withdrawal.
extension PublisherEdit {
    /// The edit as a document.
    package var json: JSONValue {
        switch self {
        case .add(let path, let file): .object(["path": .string(path), "target": file.json])
        case .remove(let path): .object(["path": .string(path)])
        }
    }

    /// Reads a document that may come from anyone; throws `malformed`.
    package init(json: JSONValue) throws(TUFError) {
        guard let path = json["path"]?.string, !path.isEmpty else {
            throw TUFError(.malformed, "An edit needs the path of its release.")
        }
        if let target = json["target"] {
            self = .add(path: path, file: try TargetFile(json: target, role: TargetsMetadata.type, path: path))
        } else {
            self = .remove(path: path)
        }
    }
}
