/// What a read depends on was changed at every look of many in a row. Nothing is wrong with it: it can be asked again.
public struct ChangingTooFast: Error {}
