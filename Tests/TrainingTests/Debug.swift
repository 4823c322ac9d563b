let DEBUGPRINT = true
