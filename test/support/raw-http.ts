import { connect } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

const PATIENCE_MS = 300
const LIMIT_MS = 15_000

/**
 * Writes bytes to a server as they are and reads its answer, which no client that knows HTTP would let us.
 * Null: the server closed the connection without one. A request that may never become complete is given up
 * after a moment, as by a client that goes away.
 */
export function sendRaw(
  url: string,
  { bytes, isComplete }: { bytes: Buffer; isComplete: boolean },
): Promise<RawAnswer | null> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    let patience: NodeJS.Timeout | undefined
    const limit = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no answer within ${LIMIT_MS} ms to ${JSON.stringify(bytes.toString('latin1'))}`))
    }, LIMIT_MS)
    socket.on('connect', () => {
      socket.write(bytes)
      if (!isComplete) patience = setTimeout(() => socket.end(), PATIENCE_MS)
    })
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      // Answered; whether the server closes is its affair.
      if (parseAnswer(Buffer.concat(chunks))) socket.end()
    })
    // A server may refuse a request before it was sent to the end: the answer is there all the same.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(limit)
      clearTimeout(patience)
      resolve(parseAnswer(Buffer.concat(chunks), true))
    })
  })
}

/** The first final answer, or null as long as it is not complete. To a HEAD comes less than is announced. */
function parseAnswer(bytes: Buffer, isOver = false): RawAnswer | null {
  const text = bytes.toString('latin1')
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const [statusLine = '', ...lines] = text.slice(0, headEnd).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
  const bodyStart = headEnd + 4
  if (status < 200) return parseAnswer(bytes.subarray(bodyStart), isOver)
  const headers = new Map(lines.map((line) => splitHeader(line)))
  const length = headers.get('content-length')
  const rest = bytes.subarray(bodyStart)
  // The next answer, where the first one was to a HEAD and so has no body.
  const body = rest.toString('latin1').startsWith('HTTP/1.1 ') ? Buffer.alloc(0) : rest
  if (!isOver && length !== undefined && body.length < Number(length)) return null
  return { status, headers, body: body.subarray(0, Number(length ?? body.length)).toString('utf8') }
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}
