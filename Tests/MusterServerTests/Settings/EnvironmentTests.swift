import Foundation
import Logging
import Postgres
import TestSupport
import Testing

@testable import muster_server

/// What the environment of containers does to settings.
struct EnvironmentTests {
    private func load(_ environment: [String: String], _ flags: [String: String] = [:]) async throws -> Settings {
        try await Settings.load(flags: flags, environment: environment, file: nil)
    }

    private func refusal(_ environment: [String: String]) async -> String {
        let error = await #expect(throws: SettingsError.self) { try await load(environment) }
        return error?.description ?? ""
    }

    // MARK: Service links

    @Test func serviceLinksOfKubernetesAreIgnored() async throws {
        var environment = ["MUSTER_REST_HOST": "0.0.0.0", "MUSTER_REST_INSECURE": "true"]
        for service in ["MUSTER", "MUSTER_REST", "MUSTER_OPS", "MUSTER_LISTEN", "MUSTER_SERVER", "MUSTER_KEY"] {
            environment["\(service)_SERVICE_HOST"] = "10.96.12.7"
            environment["\(service)_SERVICE_PORT"] = "7880"
            environment["\(service)_SERVICE_PORT_HTTP"] = "7880"
            environment["\(service)_PORT"] = "tcp://10.96.12.7:7880"
            environment["\(service)_PORT_7880_TCP"] = "tcp://10.96.12.7:7880"
            environment["\(service)_PORT_7880_TCP_PROTO"] = "tcp"
            environment["\(service)_PORT_7880_TCP_PORT"] = "7880"
            environment["\(service)_PORT_7880_TCP_ADDR"] = "10.96.12.7"
        }
        environment["MUSTER_OPS_PORT"] = "udp://[fd00::7]:7880"
        let settings = try await load(environment)
        #expect(settings.listenPort == 7_878 && settings.restPort == 7_880 && settings.opsPort == 7_881)
        #expect(settings.restHost == "0.0.0.0")
        #expect(settings.ignoredServiceLinks == ["MUSTER_LISTEN_PORT", "MUSTER_REST_PORT", "MUSTER_OPS_PORT"])
        #expect(settings.unknownVariables == [])
        #expect(try await load(environment, ["rest.port": "9"]).restPort == 9)
    }

    /// No variable of a Service can be mistaken for another setting: only `…_PORT` is one and is told by its value.
    @Test func noSettingIsNamedLikeAServiceLink() {
        let taken =
            SettingTable.all.map { $0.variable } + ["MUSTER_CONFIG", "MUSTER_KEY", "MUSTER_TLS", "MUSTER_CA_FILE"]
        for variable in taken {
            #expect(!variable.hasSuffix("_SERVICE_HOST") && !variable.contains("_SERVICE_PORT"))
            #expect(variable.firstMatch(of: /_PORT_[0-9]+_(TCP|UDP|SCTP)/) == nil)
        }
        #expect(
            SettingTable.all.map { $0.variable }.filter { $0.hasSuffix("_PORT") }
                == ["MUSTER_LISTEN_PORT", "MUSTER_REST_PORT", "MUSTER_OPS_PORT"])
    }

    @Test(arguments: ["tcp://", "tcp://10.96.12.7", "tcp://10.96.12.7:http", "http://10.96.12.7:7880", "10.96.12.7:80"])
    func aValueThatIsNotAServiceLinkIsRefused(value: String) async {
        #expect(await refusal(["MUSTER_REST_PORT": value]).contains("MUSTER_REST_PORT"))
    }

    // MARK: Unknown variables

    /// A misspelled or renamed variable would otherwise leave a setting at its default in silence.
    @Test func anUnknownVariableIsLoggedByNameWithoutItsValue() async throws {
        let settings = try await load([
            "MUSTER_UPKEEP_SECONDS": "sesame", "MUSTER_CONNECTIONS_STRANGERS": "sesame",
            "MUSTER_CACHE_PORT": "7880", "MUSTER_LISTEN_PRT": "sesame",
        ])
        let log = CapturedLog()
        settings.logIgnoredVariables(log.logger)
        #expect(log.warnings.count == 4 && log.lines.count == 4)
        for name in ["CACHE_PORT", "CONNECTIONS_STRANGERS", "LISTEN_PRT", "UPKEEP_SECONDS"] {
            #expect(log.warnings.contains { $0.hasSuffix(" variable=MUSTER_\(name)") }, "\(name)")
        }
        #expect(!log.everything.contains { $0.contains("sesame") })
    }

    @Test func noWarningIsLoggedForVariablesThatAreKnownOrEmpty() async throws {
        var environment = [
            "MUSTER_SERVER": "h", "MUSTER_KEY": "k", "MUSTER_TLS": "true", "MUSTER_CA_FILE": "f", "MUSTERING": "x",
            "MUSTER_UPKEEP_SECONDS": " ", "HOME": "/",
        ]
        for setting in SettingTable.all { environment[setting.variable] = "" }
        #expect(try await load(environment).unknownVariables == [])
        #expect(Settings.unknownVariables(in: ["MUSTER_CONFIG": "f", "MUSTER_DATABASE_URL": "host=h"]) == [])
    }

    // MARK: Empty variables

    /// `${X:-}` of Compose and an empty value of a chart mean that the setting is not set.
    @Test(arguments: ["", " ", "\n"]) func anEmptyVariableIsAnUnsetOne(empty: String) async throws {
        for setting in SettingTable.all where setting.key != "ops.host" {
            let settings = try await load([setting.variable: empty])
            #expect(settings.listenHost == "127.0.0.1" && settings.restPort == 7_880, "\(setting.variable)")
            #expect(settings.opsHost == "127.0.0.1" && settings.logLevel == .info, "\(setting.variable)")
        }
        #expect(try await load(["MUSTER_OPS_HOST": empty]).opsHost == nil)
        #expect(try await load(["MUSTER_CONFIG": empty]).listenPort == 7_878)
        let common = ["MUSTER_DATABASE_URL": empty, "DATABASE_URL": "host=common"]
        #expect(try await load(common).databaseURL == "host=common")
        let file = FileManager.default.temporaryDirectory.appending(path: "muster-\(UUID().uuidString).json")
        try Data(#"{"listen":{"port":9}}"#.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let environment = ["MUSTER_CONFIG": file.path, "MUSTER_LISTEN_PORT": empty]
        #expect(try await load(environment).listenPort == 9)
    }

    // MARK: White space

    @Test func whiteSpaceAroundAValueIsRemoved() async throws {
        let settings = try await load([
            "MUSTER_LISTEN_HOST": " ::1\n", "MUSTER_LISTEN_PORT": "9\r\n", "MUSTER_ALLOW_OWNER_ROLE": "true\n",
            "MUSTER_LOG_LEVEL": "INFO\n", "MUSTER_LOG_FORMAT": " Json",
            "MUSTER_PUBLIC_REST_URL": "https://a.example//\n",
            "MUSTER_TLS_CERTIFICATE": "chain.pem\n", "MUSTER_TLS_KEY": "key.pem\n", "MUSTER_OPS_HOST": "\n",
        ])
        #expect(settings.listenHost == "::1" && settings.listenPort == 9 && settings.isOwnerRoleAllowed)
        #expect(settings.logLevel == .info && settings.logFormat == .json)
        #expect(settings.publicRESTURL == "https://a.example" && settings.opsHost == nil)
        #expect(settings.tls?.certificate == "chain.pem" && settings.tls?.key == "key.pem")
    }

    @Test(arguments: ["\n", "\r\n", "\n\n"]) func lineEndsAreCutFromSecretsAndSpacesAreNot(end: String) async throws {
        let settings = try await load([
            "MUSTER_DATABASE_URL": "postgresql://a@h/d\(end)", "MUSTER_SERVER_ROLE_PASSWORD": " a\nb \(end)",
        ])
        #expect(settings.databaseURL == "postgresql://a@h/d" && settings.serverRolePassword == " a\nb ")
        try settings.checkDatabase()
        #expect(try await load(["MUSTER_SERVER_ROLE_PASSWORD": end]).serverRolePassword == nil)
        let filled = try await load([
            "MUSTER_DATABASE_URL": "host=h", "PGPASSWORD": " p'\\ \(end)", "PGUSER": "u\(end)", "PGDATABASE": "d",
        ])
        let string = try ConnectionString(filled.databaseURL)
        #expect(string["password"] == " p'\\ " && string["user"] == "u" && string["dbname"] == nil)
        let own = try await load(["MUSTER_DATABASE_URL": "host=h password=own", "PGPASSWORD": "p\(end)"])
        #expect(own.databaseURL == "host=h password=own")
        let nothing = try await load(["PGPASSWORD": "p\(end)"])
        #expect(throws: SettingsError.self) { try nothing.checkDatabase() }
    }

    @Test(arguments: ["postgresql://a:b\nc@h/d", "postgres://a@h/d ", "postgresql://a b@h/d"])
    func aURLWithWhiteSpaceInItIsRefusedByName(url: String) async throws {
        let settings = try await load(["MUSTER_DATABASE_URL": url])
        let error = #expect(throws: SettingsError.self) { try settings.checkDatabase() }
        #expect(error?.description.contains("MUSTER_DATABASE_URL") == true)
        #expect(error?.description.contains("a:b") == false)
    }

    /// libpq reads each as another host, port or database, and its words about those are logged and shown.
    @Test(arguments: [
        "postgresql://u:p@sesame@db/muster", "postgres://u:sesame/word@db/muster",
        "postgresql://u:123/sesame@db/muster",
        "postgresql://u@server:sesame@db/muster", "postgresql://u:p@@sesame/muster", "host=a,b@sesame", "port=sesame",
        "hostaddr=x@sesame", "postgresql://db:5432,other:sesame/muster",
    ])
    func aPasswordParsedAsAHostOrPortIsRefusedAndNotShown(url: String) async throws {
        let settings = try await load(["MUSTER_DATABASE_URL": url])
        let words = #expect(throws: SettingsError.self) { try settings.checkDatabase() }?.description ?? ""
        #expect(words.contains("MUSTER_DATABASE_URL") && words.contains("percent-encoding"), "\(words)")
        #expect(!words.contains("sesame"))
    }

    @Test(arguments: [
        "postgresql://u:p%40ss%2Fword@db:5432,other:5433/muster?host=%2Frun&application_name=a@b", "host=@abstract",
        "host=a,b port=1,2", "host=a,b port=,", "postgresql:///muster", "postgresql://[::1]:5432/a%40b", "dbname=a@b",
        "user=a@b password=c@d/e",
    ])
    func everyOtherHostAndPortIsAccepted(url: String) async throws {
        try await load(["MUSTER_DATABASE_URL": url]).checkDatabase()
    }

    // MARK: Addresses

    @Test(arguments: [
        ("localhost", "localhost"), ("LOCALHOST", "localhost"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"),
        ("[::1]", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("0000:0000:0000:0000:0000:0000:0000:0001", "::1"),
    ])
    func everyFormOfLoopbackIsLoopback(written: String, host: String) async throws {
        let settings = try await load([
            "MUSTER_LISTEN_HOST": written, "MUSTER_REST_HOST": written, "MUSTER_OPS_HOST": written,
        ])
        #expect([settings.listenHost, settings.restHost, settings.opsHost] == [host, host, host])
        try settings.checkListeners()
        #expect(settings.openListeners == [])
    }

    @Test(arguments: ["*", "a:7878", "[::1]:7878", "https://a", "a/b", "a b"])
    func anInvalidHostIsRefusedByName(written: String) async {
        for variable in ["MUSTER_LISTEN_HOST", "MUSTER_REST_HOST", "MUSTER_OPS_HOST"] {
            #expect(await refusal([variable: written]).contains(variable))
        }
    }

    @Test(arguments: ["muster.example.com", "ftp://a", "https://", "https:///x", "https://a?b", "https://a b"])
    func anInvalidURLIsRefusedByName(url: String) async {
        #expect(await refusal(["MUSTER_PUBLIC_REST_URL": url]).contains("MUSTER_PUBLIC_REST_URL"))
    }

    // MARK: Open listeners

    @Test func eachListenerIsOpenedByItsOwnPermission() async throws {
        let hosts = ["MUSTER_LISTEN_HOST": "0.0.0.0", "MUSTER_REST_HOST": "::", "MUSTER_OPS_HOST": "10.0.0.7"]
        let permissions = ["MUSTER_LISTEN_INSECURE", "MUSTER_REST_INSECURE", "MUSTER_OPS_INSECURE"]
        #expect(try await load(hosts).openListeners.map(\.name) == ["RPC", "REST", "Operations"])
        for missing in permissions {
            var environment = hosts
            for permission in permissions where permission != missing { environment[permission] = "true" }
            let settings = try await load(environment)
            let error = #expect(throws: SettingsError.self) { try settings.checkListeners() }
            #expect(error?.description.contains(missing) == true, "\(missing)")
        }
        var all = hosts
        for permission in permissions { all[permission] = "true" }
        try await load(all).checkListeners()
        #expect(try await load(all).openListeners.count == 3)
        // A scrape from elsewhere opens nothing else.
        let scraped = try await load(["MUSTER_OPS_HOST": "0.0.0.0", "MUSTER_OPS_INSECURE": "true"])
        try scraped.checkListeners()
        #expect(scraped.openListeners.map(\.permission) == [SettingTable.shared.isOpsInsecureAllowed.names])
    }

    @Test func withACertificateOnlyTheOperatorsListenerIsOpen() async throws {
        let settings = try await load([
            "MUSTER_LISTEN_HOST": "0.0.0.0", "MUSTER_REST_HOST": "0.0.0.0", "MUSTER_TLS_CERTIFICATE": "a",
            "MUSTER_TLS_KEY": "b",
        ])
        #expect(settings.openListeners == [])
    }
}
