import type { FastifyReply } from 'fastify'

/** Aborts when the caller has its answer or went away: nobody is to be waited for any more. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return gone.signal
}
