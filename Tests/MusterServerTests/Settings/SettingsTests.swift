import ArgumentParser
import Foundation
import MusterHTTP
import MusterProtocol
import MusterREST
import MusterRPC
import Testing

@testable import muster_server

struct SettingsTests {
    @Test func aFlagWinsOverTheEnvironmentAndThatOverTheFile() async throws {
        try await withFile(#"{"listen":{"host":"file","port":1},"cache_mb":33,"database":{"url":"host=file"}}"#) {
            file in
            let environment = ["MUSTER_LISTEN_HOST": "environment", "MUSTER_LISTEN_PORT": "2"]
            let settings = try await Settings.load(
                flags: ["listen.host": "flag"], environment: environment, file: file)
            #expect(settings.listenHost == "flag")
            #expect(settings.listenPort == 2)
            #expect(settings.cacheBytes == 33 << 20)
            #expect(settings.databaseURL == "host=file")
            #expect(settings.databaseConnections == 8)
        }
    }

    /// What an operator may set is told as it was set.
    @Test func theReportedLimitsAreTheConfiguredOnes() async throws {
        let flags = [
            "connections.max": "7", "connections.unauthenticated": "3", "lock_timeout_ms": "1234",
            "drain_seconds": "5",
            "rest.requests_per_hour": "11", "rest.service_requests_per_hour": "0",
        ]
        let settings = try await Settings.load(flags: flags, environment: [:], file: nil)
        let told = Dictionary(uniqueKeysWithValues: settings.limits.map { ($0.name, $0.value) })
        let set = [
            "connections": 7, "unauthenticated_connections": 3, "lock_wait_ms": 1_234, "drain_seconds": 5,
            "rest_requests_per_hour": 11, "rest_service_requests_per_hour": 0,
        ]
        #expect(told.filter { set.keys.contains($0.key) } == set)
        #expect(settings.rpc.bounds.connections == 7 && settings.rest.http.bounds.unauthenticatedConnections == 3)
        #expect(settings.rest.requestsPerHour == 11 && settings.rest.serviceRequestsPerHour == 0)
        let standard = try await Settings.load(flags: [:], environment: [:], file: nil)
        #expect(standard.limits == Limits.all)
        #expect(settings.limits.map(\.name) == Limits.all.map(\.name))
    }

    @Test func withoutAnythingTheDefaultsHold() async throws {
        let settings = try await Settings.load(flags: [:], environment: [:], file: nil)
        #expect(settings.listenHost == "127.0.0.1")
        #expect(settings.listenPort == 7_878)
        #expect(settings.openListeners == [])
        #expect(settings.tls == nil)
        #expect(settings.historyDays == 0)
        #expect(settings.logFormat == .text)
        #expect(settings.publicRESTURL == nil)
        #expect(throws: SettingsError.self) { try settings.checkDatabase() }
    }

    @Test func theFileMayBeNamedByAVariable() async throws {
        try await withFile(#"{"public_rest_url":"https://example.com/","allow_owner_role":true}"#) { file in
            let settings = try await Settings.load(flags: [:], environment: ["MUSTER_CONFIG": file], file: nil)
            #expect(settings.publicRESTURL == "https://example.com")
            #expect(settings.isOwnerRoleAllowed)
        }
    }

    @Test func theCommonVariableOfTheDatabaseIsReadToo() async throws {
        let both = ["DATABASE_URL": "host=common", "MUSTER_DATABASE_URL": "host=own"]
        #expect(try await Settings.load(flags: [:], environment: both, file: nil).databaseURL == "host=own")
        let common = ["DATABASE_URL": "host=common"]
        #expect(try await Settings.load(flags: [:], environment: common, file: nil).databaseURL == "host=common")
    }

    @Test(arguments: [
        ("MUSTER_LISTEN_PORT", "70000"), ("MUSTER_LISTEN_PORT", "abc"), ("MUSTER_CACHE_MB", "1"),
        ("MUSTER_REST_INSECURE", "perhaps"), ("MUSTER_LOG_LEVEL", "loud"), ("MUSTER_LOG_FORMAT", "xml"),
        ("MUSTER_TLS_KEY", "key.pem"), ("MUSTER_SERVER_ROLE", "a'b"), ("MUSTER_SERVER_ROLE", "pg_x"),
    ])
    func anInvalidValueIsRefusedWithTheNamesOfItsSetting(_ variable: String, _ value: String) async throws {
        let error = await #expect(throws: SettingsError.self) {
            try await Settings.load(flags: [:], environment: [variable: value], file: nil)
        }
        let key = try #require(SettingTable.all.first { $0.variable == variable }).key
        #expect(error?.description.contains(key) == true)
    }

    @Test(arguments: ["{\"listen\":{\"prot\":1}}", "[]", "{", "{\"listen\":{\"port\":\"x\"}}"])
    func anInvalidFileIsRefused(_ text: String) async throws {
        try await withFile(text) { file in
            await #expect(throws: SettingsError.self) {
                try await Settings.load(flags: [:], environment: [:], file: file)
            }
        }
        await #expect(throws: SettingsError.self) {
            try await Settings.load(flags: [:], environment: [:], file: "/nowhere/muster.json")
        }
    }

    @Test(arguments: ["postgresql://a:secret@h/d", "host=h password=secret"])
    func aPasswordInAnArgumentIsRefusedAndNotShown(_ url: String) async throws {
        let error = await #expect(throws: SettingsError.self) {
            try await Settings.load(flags: ["database.url": url], environment: [:], file: nil)
        }
        #expect(error?.description.contains("secret") == false)
        _ = try await Settings.load(flags: [:], environment: ["MUSTER_DATABASE_URL": url], file: nil)
    }

    @Test func everySettingHasItsFlagAndItsLineInTheHelp() throws {
        let help = Serve.helpMessage()
        for setting in SettingTable.all {
            #expect(help.contains(setting.variable))
            guard let flag = setting.flag else { continue }
            let value = setting.isSwitch ? "true" : "x"
            let arguments = setting.isSwitch ? [flag] : [flag, value]
            #expect(try flags(arguments, of: setting.command) == [setting.key: value])
            if !setting.isSwitch { #expect(try flags(["\(flag)=x"], of: setting.command) == [setting.key: "x"]) }
        }
        #expect(SettingTable.shared.serverRolePassword.flag == nil)
    }

    @Test(arguments: [
        ["--listen-prot", "1"], ["--listen-port"], ["--listen-port", "--rest-insecure"], ["--rest-insecure=yes"],
        ["x"], ["--server-role", "x"], ["--server-role-password", "x"],
    ])
    func whatIsNoFlagOfServeIsRefused(arguments: [String]) {
        #expect(throws: (any Error).self) { try Serve.parse(arguments) }
    }

    private func flags(_ arguments: [String], of command: SettingCommand) throws -> [String: String] {
        if command == .migrate {
            let parsed = try Migrate.parse(arguments)
            return parsed.common.flags.merging(parsed.options.flags) { $1 }
        }
        let parsed = try Serve.parse(arguments)
        return parsed.common.flags.merging(parsed.options.flags) { $1 }
    }

    private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "muster-\(UUID().uuidString).json")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await body(file.path)
    }
}
