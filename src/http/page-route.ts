import { access } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { ProblemError } from './problem.ts'

/** The page is scripts and styles of this server, and asks nobody else; what it sets in line it sets by script. */
const PAGE_CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ')

/** Their names hold a digest of their content. */
const ASSETS = '/assets/'
const YEAR_S = 365 * 24 * 3_600

export interface PageOptions {
  /** Where the build has put its files. */
  readonly folder: string
  readonly onMissing: (reason: string) => void
}

/**
 * The dashboard at `/`. Its files are for everyone, as they tell nothing; what it shows comes from the API, which
 * asks for a key.
 */
export async function addPage(scope: FastifyInstance, { folder, onMissing }: PageOptions): Promise<void> {
  if (!(await isBuilt(folder))) {
    const reason = `the page is not there: ${folder} has no index.html; 'npm run build' makes it`
    onMissing(reason)
    scope.get('/', { schema: { hide: true } }, async () => {
      throw new ProblemError(
        404,
        "the page was not built here; 'npm run build' makes it. The API is at /docs",
      )
    })
    return
  }
  scope.addHook('onSend', async (request, reply) => {
    void reply.header('content-security-policy', PAGE_CONTENT_SECURITY_POLICY)
    const isLasting = request.url.startsWith(ASSETS) && reply.statusCode < 300
    void reply.header('cache-control', isLasting ? `public, max-age=${YEAR_S}, immutable` : 'no-cache')
  })
  await scope.register(fastifyStatic, {
    root: folder,
    // Only what is there is a route: everything else is answered as it always was.
    wildcard: false,
    cacheControl: false,
  })
}

function isBuilt(folder: string): Promise<boolean> {
  return access(join(folder, 'index.html')).then(
    () => true,
    () => false,
  )
}
