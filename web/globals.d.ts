/** Of the bundle that the page loads before docs.js. */
declare function SwaggerUIBundle(options: Record<string, unknown>): unknown;
