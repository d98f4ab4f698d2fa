// Shows the OpenAPI document by Swagger UI; the document's place is relative, as the page's is.

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // else the document is sent to a site of Swagger's
});
