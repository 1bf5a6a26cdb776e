/** W3C Trace Context: version, trace id, span id, flags. */
const TRACE_PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const MAX_LENGTH = 128

/** A `traceparent` header as it can be kept and passed on; null if it is none, for then a new trace begins. */
export function readTraceParent(given: unknown): string | null {
  if (typeof given !== 'string' || given.length > MAX_LENGTH) return null
  const match = TRACE_PARENT.exec(given)
  if (!match) return null
  const [, version, traceId = '', spanId = '', flags = '', rest] = match
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return `00-${traceId}-${spanId}-${flags}`
}
