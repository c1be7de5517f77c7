import HTTPTypes
import Hummingbird
import MartletAPI

/// `/tuf/` on both listeners: open, since all of it is signed and public by nature.
struct MetadataEndpoints {
    let metadata: MetadataService

    func operatorEndpoints() -> [Endpoint] { endpoints(OperatorRoutes.metadata, OperatorRoutes.target) }
    func deviceEndpoints() -> [Endpoint] { endpoints(DeviceRoutes.metadata, DeviceRoutes.target) }

    private func endpoints(_ file: Route, _ target: Route) -> [Endpoint] {
        let metadata = metadata
        return [
            Endpoint(route: file, style: .api) { exchange in
                let name = exchange.text("file")
                guard let bytes = try await metadata.file(name) else { throw Self.unknown }
                return Self.answer(bytes, isFixed: name != "timestamp.json")
            },
            Endpoint(route: target, style: .api) { exchange in
                guard let bytes = try await metadata.target(exchange.text("path")) else { throw Self.unknown }
                return Self.answer(bytes, isFixed: true)
            },
        ]
    }

    private static let unknown = ServerError.notFound("unknownMetadata", "There is no such metadata file.")

    private static func answer(_ bytes: [UInt8], isFixed: Bool) -> Response {
        var response = Response.bytes(bytes, mediaType: "application/json")
        response.headers[.cacheControl] = isFixed ? "public, max-age=31536000, immutable" : "no-cache"
        return response
    }
}
