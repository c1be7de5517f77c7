package import MartletTypes

/// What can be wrong with a telemetry document.
package struct TelemetryError: MartletError, Equatable {
    /// The stable codes.
    package enum Kind: String, Sendable, CaseIterable {
        /// Not JSON, or not the shape of an OTLP export.
        case invalidDocument
        /// More data points than one export may hold.
        case tooManyPoints
    }

    /// Which error.
    package let kind: Kind
    package let message: String

    package var code: String { kind.rawValue }
    package var remedy: String {
        switch kind {
        case .invalidDocument: "Send an OTLP/HTTP ExportMetricsServiceRequest as JSON."
        case .tooManyPoints: "Send it in several requests."
        }
    }
    package var fault: ErrorFault { .caller }

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// Equality is by code; messages are for people.
    package static func == (left: Self, right: Self) -> Bool { left.kind == right.kind }
}
