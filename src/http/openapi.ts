import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypedApp } from './app.ts'

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
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
