import MartletTypes
import Testing

@Suite("Options of programs")
struct ProgramOptionsTests {
    private enum Option: String, OptionName {
        static let prefix = "MARTLET_TEST"
        case data
        case logLevel = "log-level"
    }

    private enum Level: String, CaseIterable { case info, debug }

    @Test("a flag wins over its variable, an empty variable counts as absent, and an empty flag does not")
    func precedence() {
        let environment = ["MARTLET_TEST_DATA": "variable", "MARTLET_TEST_LOG_LEVEL": "", "DATA": "other"]
        let options = ProgramOptions<Option>(flags: [.data: "flag"], environment: environment)
        #expect(options[.data]?.value == "flag" && options[.data]?.source == "--data")
        #expect(options[.logLevel] == nil)
        let variables = ProgramOptions<Option>(environment: environment)
        #expect(variables[.data]?.value == "variable" && variables[.data]?.source == "MARTLET_TEST_DATA")
        #expect(ProgramOptions<Option>(flags: [.data: ""], environment: environment)[.data]?.value == "")
        #expect(Option.logLevel.flag == "--log-level" && Option.logLevel.variable == "MARTLET_TEST_LOG_LEVEL")
    }

    @Test("what was said in one place stands before what was said in another, flag or variable")
    func layers() {
        let near = ProgramOptions<Option>(environment: ["MARTLET_TEST_DATA": "near"])
        let both = near.over(ProgramOptions<Option>(flags: [.data: "far", .logLevel: "info"]))
        #expect(both[.data]?.value == "near" && both[.logLevel]?.value == "info")
    }

    @Test("a word that is none is refused, naming where it came from and the words there are")
    func choice() throws {
        let good = ProgramOptions<Option>(flags: [.logLevel: "debug"])
        #expect(try good.choice(.logLevel, kind: "log level", of: Level.self) == .debug)
        #expect(try ProgramOptions<Option>().choice(.logLevel, kind: "log level", of: Level.self) == nil)
        let bad = ProgramOptions<Option>(environment: ["MARTLET_TEST_LOG_LEVEL": "loud"])
        let error = #expect(throws: InvalidValue.self) {
            _ = try bad.choice(.logLevel, kind: "log level", of: Level.self)
        }
        #expect(error?.message.contains("MARTLET_TEST_LOG_LEVEL") == true)
        let told = [error?.message, error?.remedy].compactMap(\.self).joined(separator: " ")
        #expect(told.contains("info, debug"))
    }
}
