import Foundation
import TestSupport

/// What `swift package dump-package` says of the targets.
struct Manifest: Decodable, Sendable {
    /// One target with what it declares to import.
    struct Target: Decodable, Sendable {
        let name: String
        let type: String
        let path: String?
        let exclude: [String]?
        let dependencies: [Dependency]
    }

    /// A dependency on a target of ours or on a product of another package.
    enum Dependency: Decodable, Sendable, Hashable {
        case ours(String)
        case product(String)

        private enum Keys: String, CodingKey { case byName, target, product }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            for key in [Keys.byName, .target, .product] where container.contains(key) {
                // The name is the first of a list whose other members (package, condition) do not matter here.
                var list = try container.nestedUnkeyedContainer(forKey: key)
                let name = try list.decode(String.self)
                self = key == .product ? .product(name) : .ours(name)
                return
            }
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "unknown dependency")
            )
        }

        init(_ name: String, isProduct: Bool) { self = isProduct ? .product(name) : .ours(name) }
    }

    /// SwiftPM could not read the manifest.
    struct Unreadable: Error {
        let description: String
    }

    let targets: [Target]

    /// Reads the manifest of a checkout.
    static func load(_ checkout: SourceTree) async throws -> Manifest {
        let scratch = try TemporaryFolder("tidy")
        // A build folder of its own: the usual one is locked while the tests run.
        let result = try await run(
            "/usr/bin/env",
            ["swift", "package", "--package-path", checkout.root.path, "--scratch-path", scratch.path, "dump-package"]
        )
        guard result.status == 0 else { throw Unreadable(description: result.errors) }
        return try JSONDecoder().decode(Manifest.self, from: Data(result.output.utf8))
    }

    /// The targets of ours that a target reaches, itself included.
    func closure(of name: String) -> Set<String> {
        var reached: Set<String> = []
        var next = [name]
        while let name = next.popLast() {
            guard reached.insert(name).inserted, let target = targets.first(where: { $0.name == name }) else {
                continue
            }
            for case .ours(let dependency) in target.dependencies { next.append(dependency) }
        }
        return reached
    }

    /// The products of other packages that the closure of a target names.
    func products(reachedBy name: String) -> Set<String> {
        var products: Set<String> = []
        let closure = closure(of: name)
        for target in targets where closure.contains(target.name) {
            for case .product(let product) in target.dependencies { products.insert(product) }
        }
        return products
    }
}
