import Foundation
import RegistryClient
import TestSupport

/// Requests by curl's command line, for answers that the typed client refuses by design, such as redirects.
enum RawHTTP {
    /// The whole answer, fields first, of a form that is sent.
    static func post(_ origin: Origin, _ path: String, _ body: String) async throws -> String {
        try await TestSupport.run("/usr/bin/curl", ["-s", "-i", "--data", body, origin.text + path]).output
    }
}
