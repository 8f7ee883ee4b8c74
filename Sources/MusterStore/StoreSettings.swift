public import Postgres

extension DatabaseSettings {
    /// Settings of connections that a store works over.
    ///
    /// Every statement of the store finds its rows by an index, however many identifiers it is given. The planner doesn't know that: it
    /// would hash all users for an array of 5,000 identifiers (measured: 380 ms against 60 at 300,000 users), and a plan that was made
    /// while a table was empty would go through the whole of it later, once for each identifier. So it is told not to.
    public static func store(connectionString: String) -> DatabaseSettings {
        var settings = DatabaseSettings(connectionString: connectionString)
        settings.sessionSettings = [
            "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off",
            "enable_mergejoin": "off", "jit": "off",
        ]
        return settings
    }
}
