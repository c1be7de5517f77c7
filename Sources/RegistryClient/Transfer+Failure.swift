internal import CCurl
internal import HTTPTypes
internal import MartletAPI
internal import MartletTypes

extension Transfer {
    /// libcurl's result in the words of `ClientError`.
    func describe(_ result: CURLcode, _ easy: UnsafeMutableRawPointer) -> ClientError {
        let known = String(cString: errorText)
        let detail = known.isEmpty ? String(cString: curl_easy_strerror(result)) : known
        let reason: ClientError.Code =
            switch result {
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .cannotResolve
            case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED: .cannotConnect
            case CURLE_OPERATION_TIMEDOUT: .timedOut
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
                .certificateUntrusted
            case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE: .tlsFailed
            case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER: sslReason(detail)
            case CURLE_SEND_ERROR, CURLE_RECV_ERROR:
                sslReason(detail) == .certificateRefused
                    ? .certificateRefused : .connectionLost
            case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE: .connectionLost
            case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING: .malformedReply
            case CURLE_URL_MALFORMAT: .invalidCall
            default: .clientFailed
            }
        return error(reason, detail)
    }

    /// Tells a peer that refused our certificate (a TLS alert) from any other failure of the handshake.
    private func sslReason(_ detail: String) -> ClientError.Code {
        let text = detail.lowercased()
        let alerts = [
            "alert bad certificate", "alert certificate", "alert unknown ca", "certificate required",
            "alert access denied",
        ]
        return alerts.contains(where: text.contains) ? .certificateRefused : .tlsFailed
    }
}

extension ClientError {
    /// The error that an answer with an unwanted status stands for: the registry's own problem where it gave one.
    package init(answer: HTTPReply, subject: String) {
        let retryAfter = RetryAfter.seconds(answer.fields)
        if answer.body.count <= ClientLimits.errorBodyBytes,
            let problem = try? JSONText.decode(Problem.self, from: answer.body)
        {
            self.init(
                .problem, subject, problem.detail, status: answer.status, problem: problem,
                retryAfterSeconds: retryAfter)
        } else {
            let explanation = OCIErrors.explanation(answer.body) ?? ""
            self.init(
                .unexpectedStatus, subject,
                "the registry answered \(answer.status)" + (explanation.isEmpty ? "" : ": \(explanation)"),
                status: answer.status, retryAfterSeconds: retryAfter)
        }
    }
}

/// Errors as the OCI distribution spec words them: `{"errors":[{"code","message"}]}`.
enum OCIErrors {
    private struct Document: Decodable {
        struct Entry: Decodable {
            let code: String
            let message: String?
        }
        let errors: [Entry]
    }

    /// Codes and messages on one line; nil where the body is something else.
    static func explanation(_ body: [UInt8]) -> String? {
        guard let document = try? JSONText.decode(Document.self, from: body), !document.errors.isEmpty else {
            return nil
        }
        return document.errors.map { [$0.code, $0.message].compactMap(\.self).joined(separator: ": ") }
            .joined(separator: "; ")
    }
}
