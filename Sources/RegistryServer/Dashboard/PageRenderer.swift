import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import Mustache

/// Renders pages from the templates of `registry/templates`.
struct PageRenderer: Sendable {
    private let assets: Assets
    private let library: MustacheLibrary

    /// Parses every template; throws where one is malformed, at the start and not at the first visitor.
    init(assets: Assets) throws {
        self.assets = assets
        library = try Self.library(assets)
    }

    private static func library(_ assets: Assets) throws -> MustacheLibrary {
        MustacheLibrary(
            templates: try assets.texts(under: "templates", suffix: "mustache").mapValues {
                try MustacheTemplate(string: $0)
            })
    }

    /// A page as an answer with the fields that keep browsers strict.
    func page(_ template: String, _ content: [String: Any], status: HTTPResponse.Status = .ok) throws -> Response {
        let library = assets.folder == nil ? library : try Self.library(assets)
        guard let text = library.render(content, withTemplate: template) else { throw ServerError.internalError }
        var response = Response.bytes(Array(text.utf8), mediaType: "text/html; charset=utf-8", status: status)
        Self.protect(&response)
        response.headers[.cacheControl] = "no-store"
        return response
    }

    /// No inline script or style, nothing from elsewhere, no frames; types are not guessed.
    static func protect(_ response: inout Response) {
        response.headers[.contentSecurityPolicy] =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        response.headers[.contentTypeOptions] = "nosniff"
        response.headers[.referrerPolicy] = "same-origin"
    }

    private static let mediaTypes = [
        "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
    ]

    /// A file of `registry/static`; throws 404 where there is none.
    func file(_ name: String) throws -> Response {
        let suffix = name.split(separator: ".").last.map(String.init) ?? ""
        guard let mediaType = Self.mediaTypes[suffix], !name.contains("/"), let text = try assets.text("static/\(name)")
        else { throw ServerError.noRoute }
        var response = Response.bytes(Array(text.utf8), mediaType: mediaType)
        Self.protect(&response)
        response.headers[.cacheControl] = "public, max-age=300"
        return response
    }
}

extension HTTPField.Name {
    static let contentTypeOptions = Self.knownField("X-Content-Type-Options")
    static let referrerPolicy = Self.knownField("Referrer-Policy")
    static let fetchSite = Self.knownField("Sec-Fetch-Site")

    private static func knownField(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is a field name") }
        return field
    }
}
