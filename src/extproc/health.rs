//! `grpc.health.v1.Health`: what load balancers and Envoy's own health checks ask.

use super::grpc::{Code, Replies, Requests, Status};
use super::wire::health::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
use tokio::sync::watch;

/// Full name of the service.
pub(super) const SERVICE: &str = "grpc.health.v1.Health";

/// Longest question in bytes: the name of a service.
pub(super) const LONGEST: usize = 4 * 1024;

/// Tells how a service is.
pub(super) async fn check(mut requests: Requests, replies: Replies, stopping: watch::Receiver<bool>) -> Status {
    let service = match service(&mut requests).await {
        Ok(service) => service,
        Err(status) => return status,
    };
    if !is_known(&service) {
        return Status::new(Code::NotFound, format!("there is no service {service}"));
    }
    let is_stopping = *stopping.borrow();
    replies.send(&response(serving(is_stopping))).await;
    Status::OK
}

/// Tells how a service is, and again when that changes.
pub(super) async fn watch(mut requests: Requests, replies: Replies, mut stopping: watch::Receiver<bool>) -> Status {
    let service = match service(&mut requests).await {
        Ok(service) => service,
        Err(status) => return status,
    };
    let is_known = is_known(&service);
    let is_stopping = *stopping.borrow_and_update();
    replies.send(&response(if is_known { serving(is_stopping) } else { ServingStatus::ServiceUnknown })).await;
    // A watch has no end of its own. The router's end is one: it would wait for this stream for nothing.
    if !is_stopping && stopping.wait_for(|stopping| *stopping).await.is_ok() && is_known {
        replies.send(&response(ServingStatus::NotServing)).await;
    }
    Status::OK
}

async fn service(requests: &mut Requests) -> Result<String, Status> {
    let request = requests.only::<HealthCheckRequest>().await?;
    let request = request.ok_or_else(|| Status::new(Code::InvalidArgument, "there is no message"))?;
    Ok(request.service)
}

fn is_known(service: &str) -> bool {
    matches!(service, "" | SERVICE | super::SERVICE)
}

fn serving(is_stopping: bool) -> ServingStatus {
    if is_stopping { ServingStatus::NotServing } else { ServingStatus::Serving }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status as i32 }
}
