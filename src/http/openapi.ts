import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypedApp } from './app.ts'

/** The pages of /docs are scripts and styles of this server; nothing of them comes from elsewhere. */
const DOCS_CONTENT_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** /openapi.json and /docs, made of the routes' schemas. Register before the routes. */
export async function addOpenApi(app: TypedApp, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'confirmd',
        version,
        description: "Makes a backend's database agree with the blockchain. Errors are RFC 9457 problems.",
      },
      components: {
        securitySchemes: {
          key: { type: 'http', scheme: 'bearer', description: 'a key, where the server has API_KEYS' },
        },
      },
      security: [{ key: [] }, {}],
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: DOCS_CONTENT_SECURITY_POLICY })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
