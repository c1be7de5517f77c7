internal import HTTPTypes
internal import MartletTypes

/// For how long an answer asks whoever called to stay away. Source: RFC 9110, 10.2.3.
enum RetryAfter {
    /// The longest that is heeded, in seconds: an answer must not keep a device away for ever.
    static let longest: Int64 = 86_400

    /// Seconds, from 0 on; nil where the answer does not say, or not in a form that is known.
    ///
    /// A date counts from the answer's own, so that a wrong clock on this side makes no difference.
    static func seconds(_ fields: HTTPFields) -> Int? {
        guard let text = fields[.retryAfter] else { return nil }
        if let seconds = Int64(text) { return Int(min(max(seconds, 0), longest)) }
        guard let then = date(text), let sent = fields[.date], let now = date(sent) else { return nil }
        return Int(min(max(then.seconds - now.seconds, 0), longest))
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`; the two forms that RFC 9110 (5.6.7) calls obsolete are none.
    private static func date(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0].hasSuffix(","), words[1].utf8.count == 2, words[3].utf8.count == 4,
            let month = months.firstIndex(where: { $0 == words[2] }), words[5] == "GMT"
        else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        do {
            return try Timestamp("\(words[3])-\(number)-\(words[1])T\(words[4])Z")
        } catch {
            return nil
        }
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
