// Swagger UI on our own description; nothing is asked of any other host.
SwaggerUIBundle({
  url: document.currentScript?.dataset.spec,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
