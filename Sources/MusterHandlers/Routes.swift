import MusterProtocol

/// Every call with the method that handles it. A test holds it against the list of calls.
public func allRoutes(server: ServerHandlers, keys: KeyHandlers, partners: PartnerHandlers) -> [Route] {
    [
        Route(GetHealth.self, server.health), Route(GetInfo.self, server.info),
        Route(CreateKey.self, keys.create), Route(ListKeys.self, keys.list), Route(InvalidateKey.self, keys.invalidate),
        Route(SetPartner.self, partners.set), Route(ListPartners.self, partners.list),
        Route(GetPartner.self, partners.get),
    ]
}
